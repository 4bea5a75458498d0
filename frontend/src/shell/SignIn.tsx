/** Signs in with an API key. */
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { tryKey } from "@/api/client";
import { signIn } from "@/api/session";
import { Button } from "@/ui/Button";
import { TextField } from "@/ui/Field";
import { Notice } from "@/ui/States";

/** The sign-in page; `next` is the page that was asked for. */
export function SignIn({ next }: { next: string }) {
  const [key, setKey] = useState("");
  const navigate = useNavigate();
  const check = useMutation({
    mutationFn: tryKey,
    onSuccess: async (_, accepted) => {
      signIn(accepted);
      await navigate({ to: next, replace: true });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    check.mutate(key.trim());
  };
  return (
    <main className="grid min-h-dvh place-items-center p-4">
      <form onSubmit={submit} className="w-full max-w-sm rounded-lg border border-line bg-panel p-6">
        <div className="mb-5 flex items-center gap-2.5">
          <img src="/icon.svg" alt="" width="24" height="24" />
          <h1 className="text-lg font-semibold">Job orchestrator</h1>
        </div>
        <TextField
          label="API key"
          type="password"
          autoComplete="current-password"
          spellCheck={false}
          autoFocus
          required
          placeholder="djo_…"
          className="code"
          value={key}
          onChange={setKey}
          hint="It stays in this tab and goes when the tab is closed."
        />
        {check.error && (
          <div className="mt-3">
            <Notice error={check.error} />
          </div>
        )}
        <Button
          kind="primary"
          type="submit"
          className="mt-4 w-full"
          disabled={check.isPending || !key.trim()}
        >
          {check.isPending ? "Checking…" : "Sign in"}
        </Button>
      </form>
    </main>
  );
}
