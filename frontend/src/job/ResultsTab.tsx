/** Links to the results. */
import { useQuery } from "@tanstack/react-query";
import type { Schemas } from "@/api/client";
import { type Job, resultsQuery } from "@/api/jobs";
import { OutLink } from "@/ui/Button";
import { bytes, count } from "@/ui/format";
import { Panel } from "@/ui/Panel";
import { Empty, Failure, Loading } from "@/ui/States";
import { isFinal } from "@/ui/states";

function Parts({ parts }: { parts: Schemas["ResultsPart"][] }) {
  return (
    <ul className="divide-y divide-line border-t border-line">
      {parts.map((part) => (
        <li
          key={part.first_index}
          className="flex flex-wrap items-center justify-between gap-3 px-4 py-2 text-[13px]"
        >
          <span className="tabular">
            Tasks {count(part.first_index)} to {count(part.first_index + part.lines - 1)}
          </span>
          <span className="flex items-center gap-4">
            <span className="code max-w-40 truncate text-muted max-sm:hidden" title={`sha256 ${part.sha256}`}>
              {part.sha256.slice(0, 12)}
            </span>
            <span className="tabular text-muted">{bytes(part.bytes)}</span>
            <OutLink href={part.url}>Download JSONL</OutLink>
          </span>
        </li>
      ))}
    </ul>
  );
}

function Links({ job }: { job: Job }) {
  const results = useQuery(resultsQuery(job.job_id, job.gen));
  if (results.error) return <Failure error={results.error} retry={() => void results.refetch()} />;
  if (!results.data) return <Loading />;
  const { lines, parts, manifest_url } = results.data;
  return (
    <>
      <p className="px-4 pb-3 text-[13px] text-muted">
        {count(lines)} lines of JSON, one a task, ordered by index; {bytes(results.data.bytes)} in all. The
        links live an hour. <OutLink href={manifest_url}>Manifest</OutLink>
      </p>
      <Parts parts={parts} />
    </>
  );
}

/** Results of a job that has ended. */
export default function ResultsTab({ job }: { job: Job }) {
  return (
    <Panel title="Results" flush>
      {isFinal(job.state) ? (
        <Links job={job} />
      ) : (
        <Empty title="There are no results yet">They are written when the job ends.</Empty>
      )}
    </Panel>
  );
}
