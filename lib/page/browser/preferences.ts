import { useEffect, useState } from "preact/hooks";

/** What a person likes, kept in this browser; no secret is ever among it. */
export interface Preferences {
  theme: string;
  setTheme(theme: string): void;
  hasKeys: boolean;
  setKeys(hasKeys: boolean): void;
}

export function usePreferences(): Preferences {
  const [theme, setTheme] = useKept("exai.theme", "system");
  const [keys, setKeys] = useKept("exai.keys", "on");
  useEffect(() => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }, [theme]);
  return { theme, setTheme, hasKeys: keys === "on", setKeys: (hasKeys) => setKeys(hasKeys ? "on" : "off") };
}

/** A browser may keep nothing; the page does without then. */
function useKept(name: string, otherwise: string): [string, (value: string) => void] {
  const [value, setValue] = useState(() => {
    try {
      return localStorage.getItem(name) ?? otherwise;
    } catch {
      return otherwise;
    }
  });
  return [value, (next) => {
    setValue(next);
    try {
      localStorage.setItem(name, next);
    } catch {
      // For this visit only.
    }
  }];
}
