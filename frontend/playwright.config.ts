import { defineConfig } from "@playwright/test";

// The stack is started by `make test-site`, which says where it is: SITE_URL, API_KEY.
export default defineConfig({
  testDir: "e2e",
  workers: 1,
  timeout: 120_000,
  expect: { timeout: 30_000 },
  forbidOnly: true,
  // Chromium drops what it is loading when the machine's network changes, as containers come and go.
  retries: 1,
  reporter: [["list"]],
  use: {
    baseURL: process.env.SITE_URL,
    viewport: { width: 1360, height: 900 },
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
});
