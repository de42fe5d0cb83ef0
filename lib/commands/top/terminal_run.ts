import type { Settings } from "../../config/settings.ts";
import { askDaemon, followDaemon } from "../../client/daemon_client.ts";
import { COLOURS, PLAIN } from "./paint.ts";
import { Top, type TopDaemon } from "./run.ts";
import { checkTerminal, TerminalScreen } from "./screen.ts";

/** Each ends `top` as `q` does, so that the terminal is as it was. */
const ENDS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK", "SIGHUP"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

const isWindows = Deno.build.os === "windows";

/**
 * Runs `top` on the terminal of this process.
 *
 * @throws {UsageError} where there is none
 * @throws {ExaiError} `DAEMON_UNAVAILABLE` when no daemon answers
 */
export async function runOnTerminal(daemon: TopDaemon, onStart: () => void): Promise<void> {
  checkTerminal();
  const ended = new AbortController();
  const end = () => ended.abort();
  let onChange = () => {};
  using screen = new TerminalScreen();
  const top = new Top(daemon, {
    end: ended.signal,
    onScreenChange: (listener) => onChange = listener,
    suspend: isWindows ? undefined : () => screen.suspend(),
    paint: Deno.noColor ? PLAIN : COLOURS,
  });
  await top.start();
  onStart();
  const onContinue = () => {
    screen.enter();
    onChange();
  };
  const onResize = () => onChange();
  using stack = new DisposableStack();
  listen(stack, ENDS, end);
  if (!isWindows) {
    listen(stack, ["SIGWINCH"], onResize);
    listen(stack, ["SIGCONT"], onContinue);
  }
  screen.enter();
  await top.show(screen);
}

function listen(stack: DisposableStack, signals: readonly Deno.Signal[], listener: () => void): void {
  for (const signal of signals) {
    Deno.addSignalListener(signal, listener);
    stack.defer(() => Deno.removeSignalListener(signal, listener));
  }
}

/** The lines of `GET /watch` of the running daemon. */
export function watchLines(settings: Settings, log: string | undefined): AsyncIterable<string> {
  const query = log === undefined ? "" : `?${new URLSearchParams({ log })}`;
  return followDaemon(settings, `/watch${query}`);
}

/** The running daemon of `settings`. */
export function topDaemon(settings: Settings): TopDaemon {
  return {
    follow: (log) => watchLines(settings, log),
    ask: (path, { method, timeoutMs }) => askDaemon(settings, path, method, timeoutMs),
  };
}
