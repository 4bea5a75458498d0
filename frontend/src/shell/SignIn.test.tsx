import { screen } from "@testing-library/react";
import { HttpResponse, http } from "msw";
import { apiKey } from "@/api/session";
import { safeNext } from "@/router";
import { open } from "@/test/open";
import { server } from "@/test/server";
import { KEY } from "@/test/values";

async function enter(user: ReturnType<typeof open>["user"], key: string) {
  await user.type(await screen.findByLabelText("API key"), key);
  await user.click(screen.getByRole("button", { name: "Sign in" }));
}

test("a page that was asked for comes after the key, which is never in the address", async () => {
  const { router, user } = open("/jobs?state=FAILED", null);
  await enter(user, KEY);
  expect(await screen.findByRole("link", { name: "nightly" })).toBeVisible();
  expect(router.state.location.pathname).toBe("/jobs");
  expect(router.state.location.search).toMatchObject({ state: "FAILED" });
  expect(router.state.location.href).not.toContain(KEY);
});

test("a wrong key says so and signs nobody in", async () => {
  const { user } = open("/sign-in", null);
  await enter(user, "djo_wrong");
  expect(await screen.findByRole("alert")).toHaveTextContent("This key is not accepted");
  expect(apiKey()).toBeNull();
});

test("a server that is down is not a wrong key", async () => {
  server.use(http.get("*/api/v1/jobs", () => HttpResponse.error()));
  const { user } = open("/sign-in", null);
  await enter(user, KEY);
  expect(await screen.findByRole("alert")).toHaveTextContent("The API cannot be reached");
});

test("signing out forgets the key", async () => {
  const { user } = open("/jobs");
  await user.click(await screen.findByRole("button", { name: "Sign out" }));
  expect(await screen.findByLabelText("API key")).toBeVisible();
  expect(apiKey()).toBeNull();
});

test("only addresses of this site are gone to", () => {
  expect(safeNext("/jobs?state=FAILED")).toBe("/jobs?state=FAILED");
  for (const address of ["//elsewhere.example", "/\\elsewhere.example", "https://elsewhere.example", 7]) {
    expect(safeNext(address)).toBeUndefined();
  }
});
