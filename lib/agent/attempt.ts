import { ExaiError } from "../base/errors.ts";
import { clipRedacted } from "../base/text.ts";
import { SECOND_MS } from "../base/units.ts";
import { visibleLines } from "../base/visible.ts";
import type { CommandEnd } from "../process/command_host.ts";
import type { AgentCommand } from "./agent_command.ts";
import type { AgentOutput } from "./output/read_output.ts";

const MAX_REASON_CHARS = 2000;

/** Colours of terminals. */
// deno-lint-ignore no-control-regex
const COLOURS = /\x1b\[[\d;]*[A-Za-z]/g;

/** `text` without the colours of terminals. */
export function withoutColours(text: string): string {
  return text.replaceAll(COLOURS, "");
}

/** What one start of an agent came to. */
export interface Attempt {
  output: AgentOutput;
  end: CommandEnd;
}

export function hasFailed({ output, end }: Attempt): boolean {
  return end.code !== 0 || output.error !== undefined || output.text.trim() === "";
}

/** Why an agent cannot be started that is not there. */
export function notFound({ name, command, install }: AgentCommand): string {
  const advice = install === undefined
    ? `correct command of ${name} in clink.json`
    : `install it (${install}), or write its full path as command of ${name} into clink.json`;
  return `${command} is not found in the PATH; ${advice}`;
}

/** Why an agent is not started whose entry in `clink.json` could not be read. */
export function faulty(name: string): string {
  return `the entry of ${name} in clink.json has a fault, so it is not started; "exai-daemon doctor" says which`;
}

/** The error for an agent that was not started. */
export function unavailable({ name }: AgentCommand, why: string): ExaiError {
  return new ExaiError("UPSTREAM_UNAVAILABLE", `${name} cannot be asked: ${why}`);
}

/** The error for an agent that ended without an answer. */
export function failed(command: AgentCommand, { output, end }: Attempt): ExaiError {
  const { name } = command;
  const stderr = visibleLines(withoutColours(end.stderrTail));
  const how = end.signal !== null
    ? `was ended by ${end.signal}`
    : end.code === 0
    ? "ended without an answer"
    : `ended with code ${end.code}`;
  const reason = [output.error, output.error === undefined ? stderr || output.noise : undefined]
    .filter((part) => part).join("; ");
  const said = output.text.trim() === "" || output.text === output.error
    ? ""
    : `\n\nIt had said: ${clipRedacted(output.text, MAX_REASON_CHARS)}`;
  const why = reason === "" ? "it gives no reason" : clipRedacted(reason, MAX_REASON_CHARS);
  return new ExaiError(
    "UPSTREAM_UNAVAILABLE",
    `${name} ${how}: ${why}. ${adviceOn(command, end)}${said}`,
  );
}

function adviceOn({ command, adviceByCode }: AgentCommand, { code }: CommandEnd): string {
  const known = code === null ? undefined : adviceByCode[code];
  return `To mend it, ${known ?? `see what ${command} says in a terminal in this directory`}`;
}

/** The error for an agent that was stopped for its time. */
export function timedOut({ name, timeoutMs }: AgentCommand, { text }: AgentOutput): ExaiError {
  const said = text.trim() === "" ? "" : `\n\nIt had said: ${clipRedacted(text, MAX_REASON_CHARS)}`;
  return new ExaiError(
    "TIMEOUT",
    `${name} did not end within ${
      timeoutMs / SECOND_MS
    } s and was stopped; give it a smaller task, or more time by ` +
      `timeoutSeconds in clink.json${said}`,
  );
}
