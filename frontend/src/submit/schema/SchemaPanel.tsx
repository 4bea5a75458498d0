/** What the chosen handler takes: its fields. */
import { Panel } from "@/ui/Panel";
import { ScrollBox } from "@/ui/Scroll";
import { type FieldRow, fieldsOf, resolved, type Schema, typeText } from "./schema";

const COLUMNS = ["Field", "Type", "Default", "Description"] as const;

function Field({ row }: { row: FieldRow }) {
  return (
    <tr className="border-t border-line align-top">
      <th scope="row" className="code py-1.5 pr-3 text-left font-medium">
        {row.path}
      </th>
      <td className="code py-1.5 pr-3 text-muted">{row.type}</td>
      <td className="py-1.5 pr-3">
        {row.required ? (
          "required"
        ) : row.default === undefined || row.default === null ? (
          <span className="text-muted">optional</span>
        ) : (
          <span className="code text-muted">{JSON.stringify(row.default)}</span>
        )}
      </td>
      <td className="py-1.5 text-muted">{row.description}</td>
    </tr>
  );
}

function Fields({ rows }: { rows: FieldRow[] }) {
  return (
    <ScrollBox label="Fields of an item">
      <table className="w-full text-[13px]">
        <thead>
          <tr className="text-left text-xs text-muted">
            {COLUMNS.map((name) => (
              <th key={name} scope="col" className="py-1 pr-3 font-medium">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <Field key={row.path} row={row} />
          ))}
        </tbody>
      </table>
    </ScrollBox>
  );
}

/** The panel; an item that is no object is said in one line. */
export function SchemaPanel({ handler, schema }: { handler: string; schema: Schema }) {
  const rows = fieldsOf(schema);
  const { description } = resolved(schema, schema);
  return (
    <Panel title={`What ${handler} takes`}>
      {description && <p className="mb-2 text-[13px] whitespace-pre-line text-muted">{description}</p>}
      {rows.length ? (
        <Fields rows={rows} />
      ) : (
        <p className="text-[13px]">
          Each item: <span className="code text-muted">{typeText(schema, schema)}</span>
        </p>
      )}
    </Panel>
  );
}
