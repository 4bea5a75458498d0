/** The frame of every page: where one can go, how often it is read again, who is signed in. */
import { useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useRouter } from "@tanstack/react-router";
import { useEffect } from "react";
import { forgetAnswers } from "@/api/etag";
import { keyName, signOut, useApiKey } from "@/api/session";
import { Button } from "@/ui/Button";
import { OfflineBar } from "./OfflineBar";
import { RefreshControl } from "./RefreshControl";
import { ThemeControl } from "./ThemeControl";

const LINK =
  "rounded-md px-2.5 py-1.5 text-[13px] font-medium text-muted hover:text-text data-[status=active]:bg-sunken data-[status=active]:text-text";

function SignedIn() {
  const key = useApiKey();
  return (
    <div className="flex items-center gap-1">
      <span className="code text-faint max-lg:hidden" title="The key that is signed in">
        {key && keyName(key)}
      </span>
      <Button kind="ghost" onClick={signOut}>
        Sign out
      </Button>
    </div>
  );
}

/** A key that is gone, signed out or refused, takes the page with it, and all that was read with it. */
function useLeaving(): void {
  const key = useApiKey();
  const queries = useQueryClient();
  const router = useRouter();
  useEffect(() => {
    if (key) return;
    forgetAnswers();
    queries.clear();
    void router.invalidate();
  }, [key, queries, router]);
}

/** Header, page, and a line when the API is not reached. */
export function Shell() {
  useLeaving();
  return (
    <div className="flex min-h-dvh flex-col">
      <a
        href="#page"
        className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:bg-panel focus:p-2"
      >
        Skip to the page
      </a>
      <header className="sticky top-0 z-20 border-b border-line bg-panel">
        <div className="mx-auto flex max-w-[1600px] flex-wrap items-center gap-x-3 gap-y-1 px-4 py-2 sm:px-6">
          <Link to="/jobs" className="flex items-center gap-2 font-semibold">
            <img src="/icon.svg" alt="" width="20" height="20" />
            <span className="max-sm:sr-only">Job orchestrator</span>
          </Link>
          <nav aria-label="Main" className="flex items-center gap-0.5 sm:ml-3">
            <Link to="/jobs" className={LINK}>
              Jobs
            </Link>
            <Link to="/workers" className={LINK}>
              Workers
            </Link>
            <Link to="/submit" className={LINK}>
              Submit
            </Link>
          </nav>
          <div className="ml-auto flex items-center gap-2">
            <RefreshControl />
            <ThemeControl />
            <SignedIn />
          </div>
        </div>
      </header>
      <OfflineBar />
      <main id="page" className="mx-auto w-full max-w-[1600px] flex-1 px-4 py-5 sm:px-6">
        <Outlet />
      </main>
    </div>
  );
}
