/** The client of the API, typed by docs/openapi.json; the API has the page's own origin. */
import createClient, { type Middleware } from "openapi-fetch";
import { conditional } from "./etag";
import { Problem, problemOf, unreachable } from "./problem";
import type { components, paths } from "./schema";
import { apiKey, signOut } from "./session";

export type Schemas = components["schemas"];

const authorized: Middleware = {
  onRequest({ request }) {
    const key = apiKey();
    if (key && !request.headers.has("Authorization")) request.headers.set("Authorization", `Bearer ${key}`);
    return request;
  },
};

/** The typed client. Use `answer` around its calls. */
export const client = createClient<paths>({
  baseUrl: location.origin,
  // Answers are kept by `conditional`; a second cache in between would hide how old they are.
  cache: "no-store",
  fetch: (request: Request) => globalThis.fetch(request),
});
client.use(authorized, conditional);

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body of a successful answer; throws Problem. A refused key signs out. */
export async function answer<T>(call: Promise<Answer<T>>): Promise<T> {
  let got: Answer<T>;
  try {
    got = await call;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw unreachable();
  }
  if (got.response.ok) return got.data as T;
  if (got.response.status === 401 && apiKey()) signOut();
  throw problemOf(got.response.status, got.error);
}

/** Ask the API whether it knows a key; throws Problem. */
export async function tryKey(key: string): Promise<void> {
  if (!/^[\x21-\x7e]+$/.test(key))
    throw new Problem(401, "This key is not accepted", "It is not of the form djo_...");
  await answer(
    client.GET("/api/v1/jobs", {
      params: { query: { limit: 1 } },
      headers: { Authorization: `Bearer ${key}` },
    }),
  );
}
