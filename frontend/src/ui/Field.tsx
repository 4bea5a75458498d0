/** Labelled inputs. */
import { type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes, useId } from "react";

export const INPUT =
  "h-8 w-full rounded-md border border-strong bg-panel px-2.5 text-[13px] text-text aria-invalid:border-danger";

interface FieldProps {
  label: string;
  hint?: ReactNode;
  error?: string | null;
  children: (id: string, described: string) => ReactNode;
}

/** A label above, a hint or an error below. */
export function Field({ label, hint, error, children }: FieldProps) {
  const id = useId();
  return (
    <div className="min-w-0">
      <label htmlFor={id} className="mb-1 block text-[13px] font-medium">
        {label}
      </label>
      {children(id, `${id}-hint`)}
      <p id={`${id}-hint`} className={`mt-1 text-xs ${error ? "text-danger" : "text-muted"}`}>
        {error ?? hint}
      </p>
    </div>
  );
}

interface TextProps extends Omit<InputHTMLAttributes<HTMLInputElement>, "onChange"> {
  label: string;
  hint?: ReactNode;
  error?: string | null;
  onChange: (value: string) => void;
}

/** A labelled line of text. */
export function TextField({ label, hint, error, onChange, className = "", ...rest }: TextProps) {
  return (
    <Field label={label} hint={hint} error={error}>
      {(id, described) => (
        <input
          id={id}
          aria-describedby={described}
          aria-invalid={error ? true : undefined}
          className={`${INPUT} ${className}`}
          onChange={(event) => onChange(event.target.value)}
          {...rest}
        />
      )}
    </Field>
  );
}

interface SelectProps extends Omit<SelectHTMLAttributes<HTMLSelectElement>, "onChange"> {
  label: string;
  options: readonly (readonly [value: string, text: string])[];
  onChange: (value: string) => void;
}

/** A small choice whose label is for screen readers alone. */
export function Select({ label, options, onChange, className = "", ...rest }: SelectProps) {
  return (
    <select
      aria-label={label}
      className={`h-8 rounded-md border border-strong bg-panel pr-1 pl-2 text-[13px] ${className}`}
      onChange={(event) => onChange(event.target.value)}
      {...rest}
    >
      {options.map(([value, text]) => (
        <option key={value} value={value}>
          {text}
        </option>
      ))}
    </select>
  );
}
