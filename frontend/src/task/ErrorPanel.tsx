/** Why the last attempt failed. */

import type { Schemas } from "@/api/client";
import { Copy } from "@/ui/Copy";
import { Panel } from "@/ui/Panel";
import { ScrollText } from "@/ui/Scroll";

/** Type, message, and the traceback as the worker saw it. */
export function ErrorPanel({ error }: { error: Schemas["TaskError"] }) {
  const whole = [`${error.type}: ${error.message}`, error.traceback].filter(Boolean).join("\n");
  return (
    <Panel title="Error" aside={<Copy text={whole} />} className="border-l-4 border-l-s-failed">
      <p className="code break-words">
        <span className="font-semibold text-t-failed">{error.type}</span>: {error.message}
      </p>
      <p className="mt-1 text-xs text-muted">
        {error.retryable === false ? "Another try cannot help, says the handler." : "Another try may help."}
        {typeof error.exit_code === "number" && ` Exit code ${error.exit_code}.`}
      </p>
      {error.traceback && (
        <ScrollText label="Traceback" className="mt-3 max-h-96">
          {error.traceback}
        </ScrollText>
      )}
    </Panel>
  );
}
