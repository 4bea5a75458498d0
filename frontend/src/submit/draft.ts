/** What has been filled in so far, and the request that it makes. */
import { type Job, USUAL_PRIORITY } from "@/api/jobs";
import { type LineError, type Read, readItems, readList, readObject, readValue } from "./json";
import { combinations } from "./matrix";

export const SOURCES = ["items", "count", "matrix", "file"] as const;
export type Source = (typeof SOURCES)[number];

export interface Draft {
  name: string;
  handler: string;
  source: Source;
  items: string;
  /** Submit items though the handler's schema refuses them. */
  anyway: boolean;
  count: string;
  matrix: string;
  exclude: string;
  include: string;
  /** Key of the uploaded file; empty until there is one. */
  manifest: string;
  skipBadLines: boolean;
  parameters: string;
  tags: string;
  attempts: string;
  timeout: string;
  deadline: string;
  tolerated: string;
  stopWhenExceeded: boolean;
  maxRunning: string;
  priority: string;
}

export const EMPTY: Draft = {
  name: "",
  handler: "",
  source: "items",
  items: '[\n  {"n": 1},\n  {"n": 2},\n  {"n": 3}\n]',
  anyway: false,
  count: "100",
  matrix: '{\n  "lr": [0.1, 0.01],\n  "seed": "1..10"\n}',
  exclude: "",
  include: "",
  manifest: "",
  skipBadLines: false,
  parameters: "",
  tags: "",
  attempts: "3",
  timeout: "900",
  deadline: "",
  tolerated: "0",
  stopWhenExceeded: false,
  maxRunning: "",
  priority: String(USUAL_PRIORITY),
};

export type Errors = Partial<Record<keyof Draft, LineError[]>>;
export type Body = Record<string, unknown> & { name: string; handler: string };

const said = (message: string): LineError[] => [{ line: 1, message }];

/** Collects values and what is wrong with them. */
class Reader {
  readonly errors: Errors = {};

  constructor(private readonly draft: Draft) {}

  json<T>(field: keyof Draft, read: (text: string) => Read<T>): T | undefined {
    const got = read(String(this.draft[field]));
    if (got.errors.length) this.errors[field] = got.errors;
    return got.value ?? undefined;
  }

  number(field: keyof Draft, least: number, most: number, whole = true): number | undefined {
    const text = String(this.draft[field]).trim();
    if (!text) return undefined;
    const value = Number(text.replaceAll(",", ""));
    if (Number.isFinite(value) && value >= least && value <= most && (!whole || Number.isInteger(value)))
      return value;
    this.errors[field] = said(
      `A ${whole ? "whole " : ""}number from ${least} to ${most.toLocaleString("en-US")}`,
    );
    return undefined;
  }

  text(field: "name" | "handler", pattern: RegExp, rule: string): string {
    const value = this.draft[field].trim();
    if (!pattern.test(value)) this.errors[field] = said(rule);
    return value;
  }
}

function tasksOf(draft: Draft, reader: Reader): Record<string, unknown> {
  switch (draft.source) {
    case "items":
      return { items: reader.json("items", readItems) };
    case "count": {
      const count = reader.number("count", 1, 1_000_000);
      if (count === undefined && !reader.errors.count) reader.errors.count = said("How many tasks?");
      return { count };
    }
    case "matrix": {
      const matrix = reader.json("matrix", readObject);
      const product = matrix ? combinations(matrix) : 0;
      if (matrix && typeof product === "object") {
        reader.errors.matrix = said(
          `Axis ${product.wrong} is no list of values, and no range such as "1..10"`,
        );
      } else if (!matrix && !reader.errors.matrix) reader.errors.matrix = said("There is no axis yet");
      return { matrix, exclude: reader.json("exclude", readList), include: reader.json("include", readList) };
    }
    case "file":
      if (!draft.manifest) reader.errors.manifest = said("There is no uploaded file yet");
      return { manifest: { key: draft.manifest, on_bad_line: draft.skipBadLines ? "skip" : undefined } };
  }
}

/** Tags from lines or commas, each key:value. */
export function readTags(text: string): Read<Record<string, string> | undefined> {
  const tags: Record<string, string> = {};
  for (const [index, part] of text.split(/[\n,]/).entries()) {
    if (!part.trim()) continue;
    const [key, ...rest] = part.split(/[:=]/);
    if (!key?.trim() || rest.length === 0) {
      return {
        value: null,
        errors: [{ line: index + 1, message: `${part.trim()} is not of the form key:value` }],
      };
    }
    tags[key.trim()] = rest.join(":").trim();
  }
  return { value: Object.keys(tags).length ? tags : undefined, errors: [] };
}

function toleranceOf(draft: Draft, reader: Reader): Record<string, unknown> | undefined {
  const when = draft.stopWhenExceeded ? { when_exceeded: "stop" } : {};
  const percent = /^([\d.]+) ?%$/.exec(draft.tolerated.trim());
  if (percent) return { percent: Number(percent[1]), ...when };
  const count = reader.number("tolerated", 0, 1_000_000);
  return count || draft.stopWhenExceeded ? { count: count ?? 0, ...when } : undefined;
}

/** The body of the request, and what is wrong with the draft; send it only without errors. */
export function readDraft(draft: Draft): { body: Body; errors: Errors } {
  const reader = new Reader(draft);
  const attempts = reader.number("attempts", 1, 100);
  const priority = reader.number("priority", 0, 9);
  const body = {
    name: reader.text("name", /^\P{Cc}{1,200}$/u, "1 to 200 characters"),
    handler: reader.text("handler", /^[a-z][a-z0-9_]*([.-][a-z0-9_]+)*$/, "Like csv.profile, in lower case"),
    tasks: tasksOf(draft, reader),
    parameters: reader.json("parameters", readValue),
    retry: attempts !== undefined && attempts !== 3 ? { max_attempts: attempts } : undefined,
    timeout_seconds: reader.number("timeout", 0.001, 39_600, false),
    deadline_seconds: reader.number("deadline", 1, 7_776_000, false),
    tolerated_failures: toleranceOf(draft, reader),
    tags: reader.json("tags", readTags),
    max_running: reader.number("maxRunning", 1, 1_000_000),
    priority: priority === USUAL_PRIORITY ? undefined : priority,
  };
  // Fields without a value are left out, as JSON does.
  return { body: JSON.parse(JSON.stringify(body)) as Body, errors: reader.errors };
}

/** A draft with the names and rules of a past job; its inputs come apart. */
export function draftOf(job: Job): Draft {
  const { policy } = job;
  const { count, percent, when_exceeded } = policy.tolerated_failures;
  return {
    ...EMPTY,
    name: job.name,
    handler: job.handler,
    tags: Object.entries(job.tags)
      .map(([key, value]) => `${key}:${value}`)
      .join(", "),
    attempts: String(policy.retry.max_attempts),
    timeout: String(policy.timeout_seconds),
    deadline: policy.deadline_seconds ? String(policy.deadline_seconds) : "",
    tolerated: typeof percent === "number" ? `${percent}%` : String(count ?? 0),
    stopWhenExceeded: when_exceeded === "stop",
    maxRunning: policy.max_running ? String(policy.max_running) : "",
    priority: String(job.priority),
  };
}
