/** What some pseudo terminals report when their width was never set. */
const MIN_COLUMNS = 20;
const DEFAULT_COLUMNS = 80;

/** Where progress is written. */
export interface ProgressScreen {
  /** Columns of the terminal; undefined where it is none, so that each step is one line. */
  columns?: number;
  write(text: string): void;
}

/** The width of the terminal that stdout is; undefined when it is none, or does not tell. */
export function terminalColumns(): number | undefined {
  return Deno.stdout.isTerminal() ? consoleColumns() : undefined;
}

/** Stderr, so that stdout holds the result alone. */
export function stderrScreen(): ProgressScreen {
  const encoder = new TextEncoder();
  return {
    columns: Deno.stderr.isTerminal() ? consoleColumns() ?? DEFAULT_COLUMNS : undefined,
    write: (text) => void Deno.stderr.writeSync(encoder.encode(text)),
  };
}

function consoleColumns(): number | undefined {
  try {
    const { columns } = Deno.consoleSize();
    return columns < MIN_COLUMNS ? undefined : columns;
  } catch {
    return undefined;
  }
}
