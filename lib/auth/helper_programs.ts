import { messageOf } from "../base/errors.ts";
import { visible } from "../base/visible.ts";
import { MIB, SECOND_MS } from "../base/units.ts";
import { PLATFORM } from "../config/inherited_variables.ts";
import { CommandHost } from "../process/command_host.ts";
import type { Environment } from "../process/environment.ts";
import { ProgramSearch } from "../process/program_search.ts";
import { adviceOnScript } from "../process/executable.ts";

/** As long as a person may take to allow a password manager to answer. */
const TIMEOUT_MS = 30 * SECOND_MS;

/** More than any secret or set of headers has. */
const MAX_OUTPUT_CHARS = MIB;
const MAX_SHOWN_CHARS = 300;

interface HelperProgramsOptions {
  /** The environment of this process. */
  env: Environment;
  /** That of the user's login shell, where it is known already. */
  login?: Record<string, string>;
  /** How long a program may take, in milliseconds. */
  timeoutMs?: number;
}

/** A program that prints something secret: a password manager, or what the user has written for a server. */
interface HelperCommand {
  /** The program and its arguments. */
  command: readonly string[];
  /** Variables it has beside those every mounted server inherits. */
  env?: Readonly<Record<string, string>>;
  /** How long it may take, in milliseconds; undefined: as long as any. */
  timeoutMs?: number;
}

/** A program of the user's did not do what it is there for. The message is a clause without anything it has printed on stdout. */
export class HelperFault extends Error {
  override name = "HelperFault";
}

/** Runs programs of the user's that print secrets, each with its process tree, in the environment of a mounted server. */
export class HelperPrograms implements AsyncDisposable {
  readonly #search: ProgramSearch;
  readonly #host = new CommandHost();
  readonly #home: string;
  readonly #timeoutMs: number;

  constructor({ env, login, timeoutMs = TIMEOUT_MS }: HelperProgramsOptions) {
    this.#search = new ProgramSearch({ env, login });
    this.#home = env.HOME ?? env.USERPROFILE ?? (PLATFORM === "windows" ? "C:\\" : "/");
    this.#timeoutMs = timeoutMs;
  }

  /**
   * What a program prints on stdout, without the line end.
   *
   * @throws {HelperFault} when it is not there, fails, prints nothing, or does not end in time
   */
  async run(
    { command: [program = "", ...args], env = {}, timeoutMs = this.#timeoutMs }: HelperCommand,
  ): Promise<string> {
    const launch = await this.#search.find({ command: program, args, env }, this.#home);
    if (!launch) {
      throw new HelperFault(adviceOnScript(program) ?? `there is no program ${program}; install it`);
    }
    const lines: string[] = [];
    let chars = 0;
    let said = "";
    const stop = new AbortController();
    const late = new HelperFault(`${program} has not ended within ${timeoutMs / SECOND_MS} s`);
    const timer = setTimeout(() => stop.abort(late), timeoutMs);
    const onLine = (line: string) => {
      chars += line.length;
      if (chars > MAX_OUTPUT_CHARS) stop.abort(new HelperFault(`${program} prints over 1 MiB`));
      else lines.push(line);
    };
    try {
      const end = await this.#host.run(launch, { input: "", signal: stop.signal, onLine });
      said = toldOn(end.stderrTail);
      if (end.code !== 0) {
        throw new HelperFault(`${program} ended with ${end.signal ?? `exit code ${end.code}`}${said}`);
      }
    } catch (thrown) {
      if (stop.signal.aborted) throw stop.signal.reason;
      if (thrown instanceof HelperFault) throw thrown;
      throw new HelperFault(`${program} cannot be run: ${messageOf(thrown)}`);
    } finally {
      clearTimeout(timer);
    }
    const output = lines.join("\n").trim();
    // A line of a shell ends with 0 whatever its first program says is wrong.
    if (output === "") throw new HelperFault(`${program} printed nothing${said}`);
    // What stands for bytes that are not UTF-8: the secret would be another one.
    if (output.includes("\ufffd")) throw new HelperFault(`${program} printed something that is not UTF-8`);
    return output;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#host[Symbol.asyncDispose]();
  }
}

/** What a program wrote on stderr, as the end of a sentence. It may be the secret, which is known to nobody yet. */
function toldOn(stderr: string): string {
  const words = stderr.trim().replace(LONG_WORD, (word) => isLikeSecret(word) ? "[secret]" : word);
  return words === "" ? "" : `: ${visible(words, MAX_SHOWN_CHARS)}`;
}

const LONG_WORD = /[\w+=~-]{8,}/g;

function isLikeSecret(word: string): boolean {
  return /\d/.test(word) || word.length >= 20;
}
