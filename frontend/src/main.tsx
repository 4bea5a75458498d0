/** Starts the site. */
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode, useEffect } from "react";
import { createRoot } from "react-dom/client";
import { newQueryClient } from "./api/query";
import { useApiKey } from "./api/session";
import { newRouter } from "./router";
import "./theme/theme.css";
import { followTheme } from "./theme/theme";

const queries = newQueryClient();
const router = newRouter(queries);

function Site() {
  const key = useApiKey();
  // A key that is gone, signed out or refused, takes the page with it.
  useEffect(() => {
    if (!key) void router.invalidate();
  }, [key]);
  return <RouterProvider router={router} />;
}

followTheme();
const place = document.getElementById("root");
if (!place) throw new Error("index.html has no #root");
createRoot(place).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <Site />
    </QueryClientProvider>
  </StrictMode>,
);
