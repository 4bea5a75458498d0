/** Opens a page of the site as a person with a key would. */
import { QueryClientProvider } from "@tanstack/react-query";
import { createMemoryHistory, RouterProvider } from "@tanstack/react-router";
import { render } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { newQueryClient } from "@/api/query";
import { signIn } from "@/api/session";
import { newRouter } from "@/router";
import { KEY } from "./values";

/** Render the page at an address; `key` null is a person who has not signed in. */
export function open(address: string, key: string | null = KEY) {
  if (key) signIn(key);
  const queries = newQueryClient();
  queries.setDefaultOptions({ queries: { ...queries.getDefaultOptions().queries, retry: false } });
  const router = newRouter(queries, createMemoryHistory({ initialEntries: [address] }));
  render(
    <QueryClientProvider client={queries}>
      <RouterProvider router={router} />
    </QueryClientProvider>,
  );
  return { router, user: userEvent.setup() };
}
