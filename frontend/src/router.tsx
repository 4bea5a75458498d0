/** Every address of the site. What a page shows is in its address; the rest of the code comes when needed. */
import type { QueryClient } from "@tanstack/react-query";
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  type RouterHistory,
  redirect,
} from "@tanstack/react-router";
import { apiKey } from "./api/session";
import { readJobSearch } from "./job/search";
import { JobsPage } from "./jobs/JobsPage";
import { readJobsSearch } from "./jobs/search";
import { Shell } from "./shell/Shell";
import { SignIn } from "./shell/SignIn";
import { readSubmitSearch } from "./submit/search";
import { Empty, Failure, Loading } from "./ui/States";

const root = createRootRouteWithContext<{ queries: QueryClient }>()({
  component: Outlet,
  notFoundComponent: () => <Empty title="There is no such page">Go back to the list of jobs.</Empty>,
});

const signIn = createRoute({
  getParentRoute: () => root,
  path: "/sign-in",
  validateSearch: (search: Record<string, unknown>) => ({ next: safeNext(search.next) }),
  component: function SignInRoute() {
    return <SignIn next={signIn.useSearch().next ?? "/jobs"} />;
  },
});

/** Only addresses of this site: a link must not send a person elsewhere after they have signed in. */
export function safeNext(next: unknown): string | undefined {
  return typeof next === "string" && /^\/(?![/\\])/.test(next) ? next : undefined;
}

const signedIn = createRoute({
  getParentRoute: () => root,
  id: "signed-in",
  beforeLoad: ({ location }) => {
    if (!apiKey()) throw redirect({ to: "/sign-in", search: { next: location.href } });
  },
  component: Shell,
});

const home = createRoute({
  getParentRoute: () => signedIn,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/jobs" });
  },
});

const jobs = createRoute({
  getParentRoute: () => signedIn,
  path: "/jobs",
  validateSearch: readJobsSearch,
  component: JobsPage,
});

const job = createRoute({
  getParentRoute: () => signedIn,
  path: "/jobs/$jobId",
  validateSearch: readJobSearch,
  component: lazyRouteComponent(() => import("./job/JobPage"), "JobPage"),
});

const task = createRoute({
  getParentRoute: () => signedIn,
  path: "/tasks/$taskId",
  component: lazyRouteComponent(() => import("./task/TaskPage"), "TaskPage"),
});

const workers = createRoute({
  getParentRoute: () => signedIn,
  path: "/workers",
  component: lazyRouteComponent(() => import("./workers/WorkersPage"), "WorkersPage"),
});

const submit = createRoute({
  getParentRoute: () => signedIn,
  path: "/submit",
  validateSearch: readSubmitSearch,
  component: lazyRouteComponent(() => import("./submit/SubmitPage"), "SubmitPage"),
});

const tree = root.addChildren([signIn, signedIn.addChildren([home, jobs, job, task, workers, submit])]);

const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));

/** A router with the cache that its pages read. */
export function newRouter(queries: QueryClient, history?: RouterHistory) {
  return createRouter({
    routeTree: tree,
    history,
    context: { queries },
    defaultPreload: "intent",
    scrollRestoration: true,
    defaultPendingComponent: Loading,
    defaultErrorComponent: ({ error, reset }) => <Failure error={asError(error)} retry={reset} />,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof newRouter>;
  }
}
