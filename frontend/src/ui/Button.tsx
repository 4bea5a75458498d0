/** Buttons and links that look like them. */
import { Link, type LinkProps } from "@tanstack/react-router";
import type { ButtonHTMLAttributes, ReactNode } from "react";

type Kind = "primary" | "plain" | "danger" | "ghost";

const SHAPE =
  "inline-flex h-8 items-center justify-center gap-1.5 whitespace-nowrap rounded-md px-3 text-[13px] font-medium transition-colors disabled:opacity-50";

const KINDS: Record<Kind, string> = {
  primary: "bg-accent text-on-accent hover:bg-accent-hover",
  plain: "border border-strong bg-panel text-text hover:bg-sunken",
  danger: "border border-strong bg-panel text-danger hover:bg-danger-soft",
  ghost: "text-muted hover:bg-sunken hover:text-text",
};

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  kind?: Kind;
}

/** A button; `type` is button unless said otherwise. */
export function Button({ kind = "plain", className = "", type = "button", ...rest }: Props) {
  return <button type={type} className={`${SHAPE} ${KINDS[kind]} ${className}`} {...rest} />;
}

/** A link to a page of the site that looks like a button. */
export function ButtonLink({
  kind = "plain",
  children,
  ...rest
}: LinkProps & { kind?: Kind; children: ReactNode }) {
  return (
    <Link className={`${SHAPE} ${KINDS[kind]}`} {...rest}>
      {children}
    </Link>
  );
}

/** A link to somewhere else, such as a presigned file. */
export function OutLink({
  href,
  children,
  className = "",
}: {
  href: string;
  children: ReactNode;
  className?: string;
}) {
  return (
    <a
      href={href}
      target="_blank"
      rel="noreferrer"
      className={`text-accent underline underline-offset-2 ${className}`}
    >
      {children}
    </a>
  );
}
