/** The one cache of answers. */
import { MutationCache, QueryClient } from "@tanstack/react-query";
import { Problem } from "./problem";

/** A new cache; what passes is tried again, what is refused is not. */
export function newQueryClient(): QueryClient {
  const queries = new QueryClient({
    mutationCache: new MutationCache({
      // What a person did may change any list: those on screen are read again.
      onSuccess: () => void queries.invalidateQueries(),
    }),
    defaultOptions: {
      queries: {
        staleTime: 1_000,
        retry: (failures, error) => error instanceof Problem && error.passing && failures < 2,
        retryDelay: (failures) => Math.min(1_000 * 2 ** failures, 8_000) * (0.5 + Math.random() / 2),
        refetchOnWindowFocus: true,
        networkMode: "always",
      },
      mutations: { retry: false, networkMode: "always" },
    },
  });
  return queries;
}
