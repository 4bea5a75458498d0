/** Errors of the API (RFC 9457), and of not reaching it. */
import type { components } from "./schema";

export type FieldError = components["schemas"]["FieldError"];

/** What went wrong with a request; `status` 0 means that there was no answer. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly action: string | null = null,
    readonly request: string | null = null,
    readonly errors: FieldError[] = [],
  ) {
    super(detail || title);
    this.name = "Problem";
  }

  /** Whether the same request may succeed a little later. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

const TITLES: Record<number, string> = {
  401: "This key is not accepted",
  403: "This key may not do that",
  404: "Not found",
  429: "Too many requests at once",
  504: "No answer in time",
};

/** The problem that an answer's body describes; gateways in between may say less, or another form. */
export function problemOf(status: number, body: unknown): Problem {
  const said = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const text = (name: string) => (typeof said[name] === "string" ? (said[name] as string) : null);
  return new Problem(
    status,
    text("title") ?? TITLES[status] ?? `The API answered ${status}`,
    text("detail") ?? text("message") ?? "",
    text("action"),
    text("instance")?.replace("urn:request:", "") ?? null,
    Array.isArray(said.errors) ? (said.errors as FieldError[]) : [],
  );
}

/** The problem of a request that got no answer. */
export function unreachable(): Problem {
  return new Problem(
    0,
    "The API cannot be reached",
    navigator.onLine ? "The server did not answer." : "This computer is offline.",
    "What is shown may be old. It is asked again as soon as it answers.",
  );
}
