/** Tasks from a file: dropped or chosen, uploaded, its first lines shown. */

import { useMutation } from "@tanstack/react-query";
import { type DragEvent, useState } from "react";
import { bytes, percent } from "@/ui/format";
import { ScrollText } from "@/ui/Scroll";
import { Notice } from "@/ui/States";
import type { Draft, Errors } from "./draft";
import { preview, upload } from "./upload";

interface Props {
  draft: Draft;
  errors: Errors;
  set: (part: Partial<Draft>) => void;
}

function Preview({ file, lines }: { file: File; lines: string[] }) {
  return (
    <div>
      <p className="mb-1 text-[13px]">
        <span className="font-medium">{file.name}</span>{" "}
        <span className="text-muted">{bytes(file.size)}</span>
      </p>
      <ScrollText label="First lines" className="max-h-48">
        {lines.join("\n")}
      </ScrollText>
    </div>
  );
}

/** The drop zone. */
export function FileSource({ draft, errors, set }: Props) {
  const [file, setFile] = useState<{ file: File; lines: string[] } | null>(null);
  const [share, setShare] = useState(0);
  const [over, setOver] = useState(false);
  const sending = useMutation({
    mutationFn: async (chosen: File) => {
      setFile({ file: chosen, lines: await preview(chosen) });
      return upload(chosen, setShare);
    },
    onSuccess: (manifest) => set({ manifest }),
  });
  const take = (chosen: File | undefined) => {
    if (!chosen) return;
    set({ manifest: "" });
    setShare(0);
    sending.mutate(chosen);
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer.files[0]);
  };
  return (
    <div className="space-y-3">
      <label
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
        className={`block cursor-pointer rounded-md border border-dashed px-4 py-6 text-center text-[13px] focus-within:outline-2 focus-within:outline-accent ${over ? "border-accent bg-accent-soft" : "border-strong hover:bg-sunken"}`}
      >
        <input
          type="file"
          accept=".jsonl,.ndjson,.json,.csv,.gz"
          className="sr-only"
          aria-label="File of tasks"
          onChange={(event) => take(event.target.files?.[0])}
        />
        <span className="font-medium">Drop a JSONL or CSV file here, or choose one</span>
        <span className="block text-muted">
          One task a line, or a row below a header; .gz too; 1 GB at most
        </span>
      </label>
      {file && <Preview file={file.file} lines={file.lines} />}
      <p role="status" className="text-xs text-muted">
        {sending.isPending && `Uploading, ${percent(share)}`}
        {draft.manifest && `Uploaded as ${draft.manifest}. A dry run validates its lines.`}
        {!sending.isPending && !draft.manifest && errors.manifest?.[0]?.message}
      </p>
      {sending.error && <Notice error={sending.error} />}
      <label className="flex items-center gap-2 text-[13px]">
        <input
          type="checkbox"
          checked={draft.skipBadLines}
          onChange={(event) => set({ skipBadLines: event.target.checked })}
        />
        Skip bad lines instead of refusing the job
      </label>
    </div>
  );
}
