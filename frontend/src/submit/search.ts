/** What the address of the submit page says. */
export interface SubmitSearch {
  handler?: string;
  clone?: string;
}

/** Read the handler that was chosen elsewhere, or the job that is to be cloned. */
export function readSubmitSearch(search: Record<string, unknown>): SubmitSearch {
  const text = (value: unknown) => (typeof value === "string" && value ? value : undefined);
  return { handler: text(search.handler), clone: text(search.clone) };
}
