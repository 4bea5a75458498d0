/** Asks before something that cannot be taken back. */
import { type ReactNode, useEffect, useRef } from "react";
import { Button } from "./Button";
import { Notice } from "./States";

interface Props {
  title: string;
  children: ReactNode;
  action: string;
  danger?: boolean;
  busy: boolean;
  error: Error | null;
  onConfirm: () => void;
  onClose: () => void;
}

/** A modal question; Escape and the backdrop close it. */
export function Confirm({ title, children, action, danger, busy, error, onConfirm, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog
      ref={dialog}
      aria-label={title}
      onClose={onClose}
      className="m-auto w-[min(28rem,calc(100vw-2rem))] rounded-lg border border-line bg-panel p-5 text-text shadow-float"
    >
      <h2 className="text-base font-semibold">{title}</h2>
      <div className="mt-2 text-[13px] text-muted">{children}</div>
      {error && (
        <div className="mt-3">
          <Notice error={error} />
        </div>
      )}
      <div className="mt-5 flex justify-end gap-2">
        <Button onClick={() => dialog.current?.close()}>Keep as it is</Button>
        <Button kind={danger ? "danger" : "primary"} disabled={busy} onClick={onConfirm}>
          {busy ? "Working…" : action}
        </Button>
      </div>
    </dialog>
  );
}
