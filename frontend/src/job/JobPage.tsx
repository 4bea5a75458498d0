/** One job. */
import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { Tabs } from "radix-ui";
import { lazy, Suspense } from "react";
import { type Job, jobQuery } from "@/api/jobs";
import { useInterval } from "@/shell/refresh";
import { Failure, Loading } from "@/ui/States";
import { isFinal } from "@/ui/states";
import { JobHeader } from "./JobHeader";
import { JobSummary } from "./JobSummary";
import { Overview } from "./Overview";
import { type JobSearch, TABS, type Tab } from "./search";

const route = getRouteApi("/signed-in/jobs/$jobId");

interface TabProps {
  job: Job;
  search: JobSearch;
}

const VIEWS: Record<Tab, React.ComponentType<TabProps>> = {
  overview: Overview,
  tasks: lazy(() => import("./tasks/TasksTab")),
  timeline: lazy(() => import("./timeline/TimelineTab")),
  spec: lazy(() => import("./SpecTab")),
  results: lazy(() => import("./ResultsTab")),
  audit: lazy(() => import("./AuditTab")),
  cost: lazy(() => import("./CostTab")),
};

const TAB =
  "-mb-px border-b-2 border-transparent px-3 py-2 text-[13px] font-medium text-muted capitalize whitespace-nowrap hover:text-text data-[state=active]:border-accent data-[state=active]:text-text";

function JobTabs({ job, search }: TabProps) {
  const navigate = useNavigate();
  const chosen = search.tab ?? "overview";
  const View = VIEWS[chosen];
  const choose = (tab: string) =>
    void navigate({
      to: "/jobs/$jobId",
      params: { jobId: job.job_id },
      search: tab === "overview" ? {} : { tab: tab as Tab },
    });
  return (
    <Tabs.Root value={chosen} onValueChange={choose} activationMode="manual">
      <Tabs.List
        aria-label="Parts of the job"
        className="mb-4 flex overflow-x-auto overflow-y-hidden border-b border-line"
      >
        {TABS.map((tab) => (
          <Tabs.Trigger key={tab} value={tab} className={TAB}>
            {tab}
          </Tabs.Trigger>
        ))}
      </Tabs.List>
      <Tabs.Content value={chosen}>
        <Suspense fallback={<Loading rows={6} />}>
          <View job={job} search={search} />
        </Suspense>
      </Tabs.Content>
    </Tabs.Root>
  );
}

/** The page. */
export function JobPage() {
  const { jobId } = route.useParams();
  const search = route.useSearch();
  const query = jobQuery(jobId);
  const known = useQuery({ ...query, enabled: false }).data;
  const job = useQuery({ ...query, refetchInterval: useInterval(!known || !isFinal(known.state)) });
  if (!job.data) {
    return job.error ? <Failure error={job.error} retry={() => void job.refetch()} /> : <Loading rows={10} />;
  }
  return (
    <>
      <title>{job.data.name}</title>
      <JobHeader job={job.data} />
      <JobSummary job={job.data} />
      <JobTabs job={job.data} search={search} />
    </>
  );
}
