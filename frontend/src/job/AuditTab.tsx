/** Whether the job's records agree with each other. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import type { Schemas } from "@/api/client";
import { auditQuery, type Job } from "@/api/jobs";
import { Button } from "@/ui/Button";
import { count } from "@/ui/format";
import { Panel } from "@/ui/Panel";
import { Empty, Failure, Loading } from "@/ui/States";

type Page = Schemas["AuditOut"];
type Verdict = Page["verdict"];

const WORDS: Record<Verdict, string> = {
  clean: "Clean: rows, sets, counts and results agree",
  in_progress: "In progress: some records are about to catch up",
  violated: "Violated: some records contradict each other",
};

/** The verdict of all pages is the worst of them. */
export function worst(pages: readonly Page[]): Verdict {
  const order: Verdict[] = ["violated", "in_progress", "clean"];
  return order.find((verdict) => pages.some((page) => page.verdict === verdict)) ?? "clean";
}

function Findings({ findings }: { findings: Schemas["FindingOut"][] }) {
  if (findings.length === 0) return <Empty title="Nothing was found" />;
  return (
    <ul className="divide-y divide-line border-t border-line text-[13px]">
      {findings.map((finding) => (
        <li
          key={`${finding.kind}-${finding.task_id}-${finding.leaf}-${finding.node}`}
          className="px-4 py-2.5"
        >
          <p className="font-medium">
            <span className="code">{finding.kind}</span>{" "}
            <span className="text-muted">{finding.severity}</span>{" "}
            {finding.task_id && <span className="code text-muted">{finding.task_id}</span>}
          </p>
          <p className="mt-0.5 text-muted">
            {finding.explanation} Expected {finding.expected}, found {finding.found}.
          </p>
        </li>
      ))}
    </ul>
  );
}

/** Runs the audit to its end when the tab is opened. */
export default function AuditTab({ job }: { job: Job }) {
  const audit = useInfiniteQuery(auditQuery(job.job_id));
  const { hasNextPage, isFetching, fetchNextPage, error } = audit;
  useEffect(() => {
    if (hasNextPage && !isFetching && !error) void fetchNextPage();
  }, [hasNextPage, isFetching, error, fetchNextPage]);
  const pages = audit.data?.pages ?? [];
  const checked = pages.at(-1)?.checked.stop ?? 0;
  const again = (
    <Button disabled={isFetching} onClick={() => void audit.refetch()}>
      {isFetching ? "Checking…" : "Check again"}
    </Button>
  );
  return (
    <Panel title="Audit" aside={again} flush>
      {pages.length ? (
        <>
          <p className="px-4 pb-3 text-[13px]">
            <strong className="font-semibold">{WORDS[worst(pages)]}.</strong>{" "}
            <span className="tabular text-muted">
              {count(checked)} of {count(job.total ?? 0)} tasks checked.
            </span>
          </p>
          <Findings findings={pages.flatMap((page) => page.findings)} />
        </>
      ) : error ? (
        <Failure error={error} retry={() => void audit.refetch()} />
      ) : (
        <Loading />
      )}
    </Panel>
  );
}
