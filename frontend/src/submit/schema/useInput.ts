/** What the chosen handler takes, and what of the items it would refuse. */
import { useQuery } from "@tanstack/react-query";
import { useDeferredValue, useMemo } from "react";
import { handlersQuery } from "@/api/workers";
import type { Draft } from "../draft";
import type { LineError } from "../json";
import { checkItems } from "./check";
import type { Schema } from "./schema";

export interface Input {
  schema: Schema | undefined;
  refused: LineError[];
}

const NONE: LineError[] = [];

/** Of a handler that is not known, or takes any JSON, there is no schema and nothing is refused. */
export function useInput({ handler, source, items }: Draft): Input {
  const schemas = useQuery(handlersQuery()).data?.schemas ?? {};
  const name = handler.trim();
  // A handler may be called "constructor".
  const schema = Object.hasOwn(schemas, name) ? (schemas[name] as Schema) : undefined;
  // Typing goes first; the check follows.
  const text = useDeferredValue(items);
  const refused = useMemo(
    () => (schema && source === "items" ? checkItems(text, schema) : NONE),
    [schema, source, text],
  );
  return { schema, refused };
}
