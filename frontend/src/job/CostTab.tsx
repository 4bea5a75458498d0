/** What the job cost, as far as the product itself counted it. */

import { useQuery } from "@tanstack/react-query";
import { type Cost, costQuery } from "@/api/insight";
import type { Job } from "@/api/jobs";
import { useInterval } from "@/shell/refresh";
import { count, dollars, duration } from "@/ui/format";
import { Panel } from "@/ui/Panel";
import { ScrollBox } from "@/ui/Scroll";
import { Failure, Loading } from "@/ui/States";
import { isFinal } from "@/ui/states";

const CELL = "px-3 py-1.5 text-right tabular whitespace-nowrap";

function Lines({ cost }: { cost: Cost }) {
  return (
    <ScrollBox label="Lines of the receipt">
      <table className="w-full text-[13px]">
        <thead className="text-xs text-muted">
          <tr>
            <th scope="col" className="px-4 py-1.5 text-left font-medium">
              What
            </th>
            <th scope="col" className={`${CELL} font-medium`}>
              Quantity
            </th>
            <th scope="col" className="px-3 text-left font-medium">
              Basis
            </th>
            <th scope="col" className={`${CELL} font-medium`}>
              Estimate
            </th>
          </tr>
        </thead>
        <tbody>
          {cost.lines.map((line) => (
            <tr key={`${line.service} ${line.item}`} className="border-t border-line">
              <th scope="row" className="px-4 py-1.5 text-left font-normal">
                <span className="font-medium">{line.service}</span>{" "}
                <span className="text-muted">{line.item}</span>
              </th>
              <td className={CELL}>
                {count(Math.round(line.quantity))}{" "}
                <span className="text-muted">{line.unit.replaceAll("_", " ")}</span>
              </td>
              <td className="px-3 text-muted">{line.basis}</td>
              <td className={CELL}>{dollars(line.usd)}</td>
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr className="border-t border-strong font-semibold">
            <th scope="row" colSpan={3} className="px-4 py-2 text-left">
              Total, of which {dollars(cost.platform_usd)} for the platform and {dollars(cost.workers_usd)}{" "}
              for workers
            </th>
            <td className={CELL}>{dollars(cost.total_usd)}</td>
          </tr>
        </tfoot>
      </table>
    </ScrollBox>
  );
}

function Notes({ cost }: { cost: Cost }) {
  const each = cost.usd_per_million_tasks;
  return (
    <div className="space-y-1 border-t border-line px-4 py-3 text-[13px] text-muted">
      <p>
        {count(cost.attempts)} attempts, {duration(cost.worker_seconds)} of workers
        {each !== null && `; ${dollars(each)} for a million such tasks`}. List prices of {cost.region},{" "}
        {cost.prices_as_of}.
      </p>
      {cost.notes.map((note) => (
        <p key={note}>{note}</p>
      ))}
    </div>
  );
}

/** The tab. */
export default function CostTab({ job }: { job: Job }) {
  const cost = useQuery({ ...costQuery(job.job_id), refetchInterval: useInterval(!isFinal(job.state), 5) });
  return (
    <Panel title="Cost, an estimate" flush>
      {cost.data ? (
        <>
          <Lines cost={cost.data} />
          <Notes cost={cost.data} />
        </>
      ) : cost.error ? (
        <Failure error={cost.error} retry={() => void cost.refetch()} />
      ) : (
        <Loading rows={6} />
      )}
    </Panel>
  );
}
