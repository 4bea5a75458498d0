/** The list of jobs. */

import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { type Job, type JobFilter, jobsQuery } from "@/api/jobs";
import { useInterval } from "@/shell/refresh";
import { ButtonLink } from "@/ui/Button";
import { ScrollBox } from "@/ui/Scroll";
import { Empty, Failure, Loading } from "@/ui/States";
import { Filters } from "./Filters";
import { JobRow } from "./JobRow";

const route = getRouteApi("/signed-in/jobs");

const HEADS = [
  ["Job", "px-4 text-left"],
  ["State", "text-left"],
  ["Progress", "text-left"],
  ["Tasks", "text-right"],
  ["Rate", "text-right max-md:hidden"],
  ["Submitted", "text-right max-lg:hidden"],
  ["Took", "text-right max-md:hidden"],
  ["Tags", "text-left max-xl:hidden"],
] as const;

function Table({ jobs }: { jobs: Job[] }) {
  return (
    <ScrollBox label="Jobs">
      <table className="w-full text-[13px]">
        <thead className="text-xs text-muted">
          <tr>
            {HEADS.map(([name, look]) => (
              <th key={name} scope="col" className={`px-3 py-2 font-medium whitespace-nowrap ${look}`}>
                {name}
              </th>
            ))}
            <th scope="col" className="px-3">
              <span className="sr-only">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {jobs.map((job) => (
            <JobRow key={job.job_id} job={job} />
          ))}
        </tbody>
      </table>
    </ScrollBox>
  );
}

function Pages({ filter, next }: { filter: JobFilter; next: string | null }) {
  if (!filter.cursor && !next) return null;
  return (
    <nav aria-label="Pages" className="flex justify-end gap-2 border-t border-line px-4 py-2.5">
      {filter.cursor && (
        <ButtonLink to="/jobs" search={{ ...filter, cursor: undefined }}>
          Newest
        </ButtonLink>
      )}
      {next && (
        <ButtonLink to="/jobs" search={{ ...filter, cursor: next }}>
          Older
        </ButtonLink>
      )}
    </nav>
  );
}

function NoJobs({ filter, more }: { filter: JobFilter; more: boolean }) {
  if (more) return <Empty title="No job of this page matches">Older ones may.</Empty>;
  if (filter.state ?? filter.name ?? filter.tag ?? filter.cursor) {
    return (
      <Empty title="No job matches">
        <Link to="/jobs" className="text-accent underline underline-offset-2">
          Show all jobs
        </Link>
      </Empty>
    );
  }
  return (
    <Empty title="There are no jobs yet">
      <Link to="/submit" className="text-accent underline underline-offset-2">
        Submit the first one
      </Link>
      , here or with a POST to /api/v1/jobs.
    </Empty>
  );
}

/** The page. */
export function JobsPage() {
  const filter = route.useSearch();
  const page = useQuery({ ...jobsQuery(filter), refetchInterval: useInterval(true) });
  return (
    <>
      <title>Jobs</title>
      <div className="mb-4 flex flex-wrap items-center justify-between gap-3">
        <h1 className="text-xl font-semibold">Jobs</h1>
        <ButtonLink to="/submit" kind="primary">
          Submit a job
        </ButtonLink>
      </div>
      <div className="mb-3">
        <Filters filter={filter} />
      </div>
      <div className="rounded-lg border border-line bg-panel" aria-busy={page.isPlaceholderData}>
        {page.data ? (
          page.data.jobs.length ? (
            <Table jobs={page.data.jobs} />
          ) : (
            <NoJobs filter={filter} more={page.data.next_cursor !== null} />
          )
        ) : page.error ? (
          <Failure error={page.error} retry={() => void page.refetch()} />
        ) : (
          <Loading rows={8} />
        )}
        {page.data && <Pages filter={filter} next={page.data.next_cursor} />}
      </div>
    </>
  );
}
