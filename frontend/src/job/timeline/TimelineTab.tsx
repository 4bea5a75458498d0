/** What has happened to the job, oldest first. */
import { useQuery } from "@tanstack/react-query";
import { eventsQuery, type JobEvent } from "@/api/insight";
import type { Job } from "@/api/jobs";
import { useInterval } from "@/shell/refresh";
import { between, count, duration } from "@/ui/format";
import { Panel } from "@/ui/Panel";
import { StateBadge } from "@/ui/StateBadge";
import { Empty, Failure, Loading } from "@/ui/States";
import { isFinal, type JobState } from "@/ui/states";
import { Instant } from "@/ui/Time";

const COUNTED: Partial<Record<JobEvent["event"], string>> = {
  planned: "tasks",
  retried: "tasks chosen",
  finished: "tasks failed",
};

function words(event: JobEvent): string {
  const counted = COUNTED[event.event];
  const tasks = event.tasks !== null && counted ? `${count(event.tasks)} ${counted}` : null;
  return [tasks, event.detail, event.by && `by ${event.by}`].filter(Boolean).join(" · ");
}

function Row({ event, since }: { event: JobEvent; since: string | undefined }) {
  return (
    <li className="relative grid grid-cols-[1fr_auto] gap-x-4 border-l border-strong pb-5 pl-5 last:pb-0">
      <span
        aria-hidden="true"
        className="absolute top-1.5 -left-[4.5px] size-2 rounded-full bg-accent ring-4 ring-panel"
      />
      <div className="min-w-0">
        <p className="flex flex-wrap items-center gap-x-3 font-medium">
          <span className="capitalize">{event.event}</span>
          {event.state && <StateBadge state={event.state as JobState} />}
          {event.gen > 1 && <span className="text-xs font-normal text-muted">generation {event.gen}</span>}
        </p>
        <p className="text-[13px] break-words text-muted">{words(event)}</p>
      </div>
      <div className="text-right text-xs text-muted">
        <Instant at={event.at} />
        {since && <p className="tabular">+{duration(between(since, event.at))}</p>}
      </div>
    </li>
  );
}

/** The tab. */
export default function TimelineTab({ job }: { job: Job }) {
  const events = useQuery({ ...eventsQuery(job.job_id), refetchInterval: useInterval(!isFinal(job.state)) });
  const shown = events.data?.events ?? [];
  return (
    <Panel title="Timeline">
      {events.data && events.data.from_gen > 1 ? (
        <p className="mb-3 text-xs text-muted">
          What happened between the submit and generation {events.data.from_gen} is no longer kept.
        </p>
      ) : null}
      {shown.length ? (
        <ol className="pl-1">
          {shown.map((event, index) => (
            <Row key={`${event.at}-${event.event}`} event={event} since={shown[index - 1]?.at} />
          ))}
        </ol>
      ) : events.error ? (
        <Failure error={events.error} retry={() => void events.refetch()} />
      ) : events.data ? (
        <Empty title="Nothing has happened yet" />
      ) : (
        <Loading />
      )}
    </Panel>
  );
}
