/** Tags of a job; each leads to the jobs that share it. */
import { Link } from "@tanstack/react-router";

/** The tags as small links. */
export function Tags({ tags }: { tags: Record<string, string> }) {
  return (
    <span className="flex flex-wrap gap-1">
      {Object.entries(tags).map(([key, value]) => (
        <Link
          key={key}
          to="/jobs"
          search={{ tag: `${key}:${value}` }}
          className="code max-w-full truncate rounded bg-sunken px-1.5 py-0.5 text-muted hover:text-text"
        >
          {key}:{value}
        </Link>
      ))}
    </span>
  );
}
