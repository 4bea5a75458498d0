/** Filters of the list; each is a part of the address. */
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import type { JobFilter } from "@/api/jobs";
import { Button } from "@/ui/Button";
import { INPUT, Select } from "@/ui/Field";
import { JOB_STATES, label } from "@/ui/states";

const STATES = [["", "Any state"] as const, ...JOB_STATES.map((state) => [state, label(state)] as const)];
const SETTLED_MS = 350;

/** A box whose text becomes the filter once typing has settled. */
function TextFilter({
  value,
  label: name,
  placeholder,
  onChange,
}: {
  value: string;
  label: string;
  placeholder: string;
  onChange: (value: string) => void;
}) {
  const [typed, setTyped] = useState(value);
  useEffect(() => setTyped(value), [value]);
  useEffect(() => {
    if (typed === value) return;
    const timer = setTimeout(() => onChange(typed), SETTLED_MS);
    return () => clearTimeout(timer);
  }, [typed, value, onChange]);
  return (
    <input
      type="search"
      aria-label={name}
      placeholder={placeholder}
      className={`${INPUT} max-w-52`}
      value={typed}
      onChange={(event) => setTyped(event.target.value)}
    />
  );
}

/** State, name and tag. */
export function Filters({ filter }: { filter: JobFilter }) {
  const navigate = useNavigate();
  const set = (part: JobFilter) =>
    void navigate({ to: "/jobs", search: { ...filter, cursor: undefined, ...part } });
  const any = filter.state ?? filter.name ?? filter.tag;
  return (
    <search className="flex flex-wrap items-center gap-2">
      <Select
        label="State"
        value={filter.state ?? ""}
        options={STATES}
        onChange={(state) => set({ state: (state || undefined) as JobFilter["state"] })}
      />
      <TextFilter
        label="Name"
        placeholder="Part of the name"
        value={filter.name ?? ""}
        onChange={(name) => set({ name: name || undefined })}
      />
      <TextFilter
        label="Tag"
        placeholder="Tags, as team:data"
        value={filter.tag ?? ""}
        onChange={(tag) => set({ tag: tag || undefined })}
      />
      {any && (
        <Button kind="ghost" onClick={() => void navigate({ to: "/jobs", search: {} })}>
          Clear
        </Button>
      )}
    </search>
  );
}
