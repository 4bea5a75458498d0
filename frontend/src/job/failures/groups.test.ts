import type { ErrorGroup } from "@/api/insight";
import { merged } from "./groups";

const group = (pattern: string, count: number, first_index: number): ErrorGroup => ({
  error_type: "E",
  pattern,
  message: pattern,
  count,
  outcomes: { failed: count },
  first_index,
  task_ids: [`j-${first_index}`],
});
const page = (...groups: ErrorGroup[]) => ({
  job_id: "j",
  state: "FAILED" as const,
  groups,
  read: 0,
  total: 0,
  complete: false,
  next_cursor: null,
});

test("groups of pages become one by type and pattern, most frequent first", () => {
  const all = merged([page(group("a", 2, 9), group("b", 3, 1)), page(group("a", 5, 4))]);
  expect(all.map(({ pattern, count }) => [pattern, count])).toEqual([
    ["a", 7],
    ["b", 3],
  ]);
  expect(all[0]).toMatchObject({ first_index: 4, outcomes: { failed: 7 }, task_ids: ["j-9", "j-4"] });
});
