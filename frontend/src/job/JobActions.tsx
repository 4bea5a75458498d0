/** Cancel, retry and clone a job. */
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { cancelMutation, type Job, type RetryChoice, retryMutation } from "@/api/jobs";
import { useHold } from "@/shell/refresh";
import { Button, ButtonLink } from "@/ui/Button";
import { Confirm } from "@/ui/Confirm";
import { count } from "@/ui/format";
import { isFinal } from "@/ui/states";

interface AskProps {
  job: Job;
  onClose: () => void;
}

function AskCancel({ job, onClose }: AskProps) {
  const cancel = useMutation({ ...cancelMutation(), onSuccess: onClose });
  return (
    <Confirm
      title={`Cancel ${job.name}?`}
      action="Cancel the job"
      danger
      busy={cancel.isPending}
      error={cancel.error}
      onConfirm={() => cancel.mutate(job.job_id)}
      onClose={onClose}
    >
      Running tasks have 30 seconds to stop; what has not ended then is cancelled. What has succeeded stays,
      and the rest can be retried later.
    </Confirm>
  );
}

/** Asks before tasks are run again. */
export function AskRetry({ job, choice, what, onClose }: AskProps & { choice: RetryChoice; what: string }) {
  // One key as long as the question is open: a second click repeats the same request.
  const [once] = useState(() => crypto.randomUUID());
  const retry = useMutation({ ...retryMutation(), onSuccess: onClose });
  return (
    <Confirm
      title={`Retry ${what}?`}
      action="Retry"
      busy={retry.isPending}
      error={retry.error}
      onConfirm={() => retry.mutate({ jobId: job.job_id, choice, once })}
      onClose={onClose}
    >
      The job runs again, in generation {job.gen + 1}, for these tasks. Tasks that have succeeded stay as they
      are.
    </Confirm>
  );
}

const left = (job: Job): number => job.counts.failed + job.counts.cancelled + job.counts.skipped;

function RetryButtons({ job, ask }: { job: Job; ask: (choice: RetryChoice, what: string) => void }) {
  const rest = left(job);
  if (rest === 0) return null;
  const failed = job.counts.failed;
  return (
    <>
      {failed > 0 && (
        <Button onClick={() => ask({ tasks: "failed" }, `${count(failed)} failed tasks`)}>
          Retry failed
        </Button>
      )}
      {rest > failed && (
        <Button onClick={() => ask({ tasks: "not_succeeded" }, `${count(rest)} tasks that did not succeed`)}>
          Retry unfinished
        </Button>
      )}
    </>
  );
}

/** The buttons that a job's state allows; `compact` shows at most one. */
export function JobActions({ job, compact = false }: { job: Job; compact?: boolean }) {
  const [asked, setAsked] = useState<"cancel" | { choice: RetryChoice; what: string } | null>(null);
  useHold(asked !== null);
  const close = () => setAsked(null);
  const final = isFinal(job.state);
  return (
    <div
      className={`flex flex-wrap justify-end gap-2 ${compact ? "[&>button:nth-of-type(n+2)]:hidden" : ""}`}
    >
      {!final && (
        <Button kind="danger" disabled={job.state === "STOPPING"} onClick={() => setAsked("cancel")}>
          {job.state === "STOPPING" ? "Stopping…" : "Cancel"}
        </Button>
      )}
      {final && <RetryButtons job={job} ask={(choice, what) => setAsked({ choice, what })} />}
      {!compact && (
        <ButtonLink to="/submit" search={{ clone: job.job_id }}>
          Clone
        </ButtonLink>
      )}
      {asked === "cancel" && <AskCancel job={job} onClose={close} />}
      {asked && asked !== "cancel" && <AskRetry job={job} {...asked} onClose={close} />}
    </div>
  );
}
