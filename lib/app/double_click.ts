/**
 * Waits for a key when the program was double-clicked on Windows: its window closes with the program, before the error
 * can be read. Returns at once for a program that was started from a console or a script.
 */
export async function holdWindow(): Promise<void> {
  if (!ownsItsConsole()) return;
  await Deno.stderr.write(new TextEncoder().encode("\nPress any key to close this window.\n"));
  Deno.stdin.setRaw(true);
  await Deno.stdin.read(new Uint8Array(16));
}

/** Lines of the banner for a daemon that was double-clicked. */
export const WINDOW_ADVICE: readonly string[] = [
  "  window   closing it stops EXAI; `exai-daemon service install` runs it without one,",
  "           and editors start it without one when it does not run",
];

/** Whether this process is the only one attached to its console, which is how Explorer starts a program. */
export function ownsItsConsole(): boolean {
  if (Deno.build.os !== "windows" || !Deno.stdin.isTerminal()) return false;
  try {
    using kernel32 = openKernel32();
    return kernel32.symbols.GetConsoleProcessList(new Uint32Array(2), 2) === 1;
  } catch {
    return false;
  }
}

function openKernel32() {
  const library = Deno.dlopen("kernel32.dll", {
    GetConsoleProcessList: { parameters: ["buffer", "u32"], result: "u32" },
  });
  return { symbols: library.symbols, [Symbol.dispose]: () => library.close() };
}
