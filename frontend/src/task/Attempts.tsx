/** The attempts that ended, newest last. */

import type { Schemas } from "@/api/client";
import type { Task } from "@/api/tasks";
import { OutLink } from "@/ui/Button";
import { duration } from "@/ui/format";
import { Panel } from "@/ui/Panel";
import { ScrollBox } from "@/ui/Scroll";
import { Empty } from "@/ui/States";
import { Instant } from "@/ui/Time";

type Attempt = Schemas["AttemptOut"];

const CELL = "px-3 py-1.5 whitespace-nowrap";

const inWords = (attempt: Attempt): string => attempt.outcome.replaceAll("_", " ");

function Row({ attempt }: { attempt: Attempt }) {
  const good = attempt.outcome === "succeeded";
  return (
    <tr className="border-t border-line">
      <th scope="row" className="tabular px-4 py-1.5 text-left font-normal">
        {attempt.attempt}
      </th>
      <td className={`${CELL} font-medium ${good ? "text-t-succeeded" : "text-t-failed"}`}>
        {inWords(attempt)}
      </td>
      <td className={CELL}>
        <Instant at={attempt.started_at} />
      </td>
      <td className={`${CELL} tabular text-right`}>{duration(attempt.duration_ms / 1000)}</td>
      <td className={`${CELL} code text-muted`}>{attempt.worker}</td>
      <td className="code max-w-96 truncate px-3 text-muted" title={attempt.error?.message}>
        {attempt.log_url && <OutLink href={attempt.log_url}>Log</OutLink>}{" "}
        {attempt.error && `${attempt.error.type}: ${attempt.error.message}`}
      </td>
    </tr>
  );
}

/** The table; the API keeps the newest six. */
export function Attempts({ task }: { task: Task }) {
  const heads = ["Attempt", "Outcome", "Started", "Took", "Worker", "Log, error"];
  return (
    <Panel title="Attempts" flush>
      {task.attempts.length === 0 ? (
        <Empty title="No attempt has ended yet" />
      ) : (
        <ScrollBox label="Attempts that ended">
          <table className="w-full text-[13px]">
            <thead className="text-xs text-muted">
              <tr>
                {heads.map((head) => (
                  <th
                    key={head}
                    scope="col"
                    className={`px-3 py-1.5 font-medium first:pl-4 ${head === "Took" ? "text-right" : "text-left"}`}
                  >
                    {head}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {task.attempts.map((attempt) => (
                <Row key={`${attempt.attempt} ${attempt.ended_at}`} attempt={attempt} />
              ))}
            </tbody>
          </table>
        </ScrollBox>
      )}
    </Panel>
  );
}
