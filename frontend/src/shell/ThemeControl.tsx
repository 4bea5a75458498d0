/** Chooses light, dark, or the system's theme. */
import { useState } from "react";
import { chooseTheme, chosenTheme, type Theme } from "@/theme/theme";
import { Select } from "@/ui/Field";

const OPTIONS = [
  ["system", "System"],
  ["light", "Light"],
  ["dark", "Dark"],
] as const;

/** The theme control of the header. */
export function ThemeControl() {
  const [theme, setTheme] = useState<Theme>(chosenTheme);
  const choose = (value: string) => {
    chooseTheme(value as Theme);
    setTheme(value as Theme);
  };
  return <Select label="Theme" value={theme} options={OPTIONS} onChange={choose} className="max-sm:hidden" />;
}
