/** A JSON editor: numbered lines, and errors at the line that they are about. */
import { useId, useRef } from "react";
import type { LineError } from "./json";

interface Props {
  label: string;
  value: string;
  errors: LineError[] | undefined;
  hint?: string;
  rows?: number;
  onChange: (value: string) => void;
}

const LINES_NUMBERED = 5_000;

function Numbers({
  value,
  errors,
  inner,
}: {
  value: string;
  errors: LineError[];
  inner: React.Ref<HTMLDivElement>;
}) {
  const lines = Math.min(value.split("\n").length, LINES_NUMBERED);
  const wrong = new Set(errors.map((error) => error.line));
  return (
    <div
      ref={inner}
      aria-hidden="true"
      className="absolute inset-y-0 left-0 w-10 overflow-hidden border-r border-line bg-sunken pt-2 text-right text-faint"
    >
      {[...Array(lines).keys()].map((line) => (
        <div
          key={line}
          className={`code h-5 pr-2 leading-5 ${wrong.has(line + 1) ? "bg-danger-soft font-semibold text-danger" : ""}`}
        >
          {line + 1}
        </div>
      ))}
    </div>
  );
}

/** The editor. */
export function Editor({ label, value, errors = [], hint, rows = 10, onChange }: Props) {
  const id = useId();
  const numbers = useRef<HTMLDivElement>(null);
  return (
    <div>
      <label htmlFor={id} className="mb-1 block text-[13px] font-medium">
        {label}
      </label>
      <div className="relative overflow-hidden rounded-md border border-strong">
        <Numbers value={value} errors={errors} inner={numbers} />
        <textarea
          id={id}
          rows={rows}
          value={value}
          spellCheck={false}
          wrap="off"
          aria-invalid={errors.length > 0 || undefined}
          aria-describedby={`${id}-said`}
          onChange={(event) => onChange(event.target.value)}
          onScroll={(event) => {
            if (numbers.current) numbers.current.scrollTop = event.currentTarget.scrollTop;
          }}
          className="code block w-full resize-y bg-panel py-2 pr-2 pl-12 leading-5 text-text"
        />
      </div>
      <div id={`${id}-said`} className="mt-1 text-xs" aria-live="polite">
        {errors.length ? (
          errors.slice(0, 5).map((error) => (
            <p key={`${error.line} ${error.message}`} className="text-danger">
              Line {error.line}: {error.message}
            </p>
          ))
        ) : (
          <p className="text-muted">{hint}</p>
        )}
      </div>
    </div>
  );
}
