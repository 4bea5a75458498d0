/** A signed-in page, and jobs made through the API. */
import { test as base, expect, type Page } from "@playwright/test";

export { expect };

export const key = process.env.API_KEY ?? "";

interface Job {
  job_id: string;
  state: string;
  counts: Record<string, number>;
}

/** What the API says; throws unless it accepts the request. */
export class Api {
  constructor(private readonly page: Page) {}

  async send<T>(method: "GET" | "POST", path: string, body?: unknown): Promise<T> {
    const answer = await this.page.request.fetch(`${process.env.API_URL}/api/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${key}` },
      data: body,
    });
    expect(answer.status(), await answer.text()).toBeLessThan(400);
    return (await answer.json()) as T;
  }

  async submit(body: Record<string, unknown>): Promise<string> {
    return (await this.send<Job>("POST", "/jobs", body)).job_id;
  }

  /** Wait until the job has ended; return it. */
  async finish(jobId: string, patience = 110_000): Promise<Job> {
    const final = async () => (await this.send<Job>("GET", `/jobs/${jobId}`)).state;
    await expect.poll(final, { timeout: patience }).toMatch(/SUCCEEDED|FAILED|CANCELLED/);
    return this.send<Job>("GET", `/jobs/${jobId}`);
  }
}

interface Fixtures {
  api: Api;
  /** What the browser complained about; a test of its own kind empties it. */
  complaints: string[];
  signedIn: Page;
}

/** Every test fails when the browser refuses something of ours, as the content policy would. */
export const test = base.extend<Fixtures>({
  complaints: [
    async ({ page }, use) => {
      const complaints: string[] = [];
      page.on("pageerror", (error) => complaints.push(error.message));
      page.on("console", (message) => {
        if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
          complaints.push(message.text());
        }
      });
      await use(complaints);
      expect(complaints).toEqual([]);
    },
    { auto: true },
  ],
  api: async ({ page }, use) => use(new Api(page)),
  signedIn: async ({ page }, use) => {
    await page.addInitScript((value) => {
      sessionStorage.setItem("api-key", value);
      localStorage.setItem("refresh-seconds", "2");
    }, key);
    await use(page);
  },
});
