/** The same submission for a terminal. */
import type { Body } from "./draft";

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** A curl command; the key is a variable, since commands are kept in histories. */
export function curlOf(body: Body, origin: string): string {
  return [
    `curl -sS ${quoted(`${origin}/api/v1/jobs`)} \\`,
    `  -H "Authorization: Bearer $API_KEY" -H 'Content-Type: application/json' \\`,
    `  -d ${quoted(JSON.stringify(body))}`,
  ].join("\n");
}
