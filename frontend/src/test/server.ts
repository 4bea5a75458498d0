/** Answers as the API gives them; a test replaces those that it is about. */
import { HttpResponse, http } from "msw";
import { setupServer } from "msw/node";
import { gridBytes, jobOf, KEY } from "./values";

const api = (path: string) => `${location.origin}/api/v1${path}`;

/** A handler of a route that asks for the key first, as the gateway does. */
export function route(
  method: "get" | "post",
  path: string,
  answer: (request: Request, params: Record<string, string>) => Response | Promise<Response>,
) {
  return http[method](api(path), ({ request, params }) => {
    const key = request.headers.get("authorization");
    if (key !== `Bearer ${KEY}`) return HttpResponse.json({ message: "Unauthorized" }, { status: 401 });
    return answer(request, params as Record<string, string>);
  });
}

/** An answer in the form of the API's errors. */
export const problem = (status: number, title: string, detail: string, action: string | null = null) =>
  HttpResponse.json(
    {
      type: "urn:problem:x",
      title,
      status,
      code: "x",
      detail,
      action,
      instance: "urn:request:r-1",
      errors: null,
    },
    { status, headers: { "content-type": "application/problem+json" } },
  );

const json = HttpResponse.json;

export const server = setupServer(
  route("get", "/jobs", () => json({ jobs: [jobOf()], next_cursor: null })),
  route("get", "/jobs/:job", (_, { job }) => json(jobOf({ job_id: job }))),
  route("get", "/jobs/:job/grid", () => HttpResponse.arrayBuffer(gridBytes())),
  route("get", "/jobs/:job/errors", () =>
    json({ groups: [], read: 0, total: 0, complete: true, next_cursor: null }),
  ),
  route("get", "/jobs/:job/series", () => json({ gen: 1, total: 3, points: [], durations: null })),
  route("get", "/jobs/:job/tasks", () => json({ tasks: [], next_cursor: null })),
  route("get", "/workers", () => json({ workers: [], next_cursor: null, schemas: null })),
);
