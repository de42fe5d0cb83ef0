import { monotonicNow } from "../base/time.ts";
import { SECOND_MS } from "../base/units.ts";
import { PLATFORM } from "../config/inherited_variables.ts";
import { type Environment, inheritedFrom, withVariables } from "./environment.ts";
import { resolveCommand } from "./executable.ts";
import { FILES, type Launch } from "./launch.ts";
import { loginEnvironment } from "./login_shell.ts";
import { searchPath } from "./search_path.ts";

/** A program as it is written in a configuration. */
interface WantedProgram {
  command: string;
  args: readonly string[];
  /** Variables it has beside those every program inherits; null takes one away. */
  env: Readonly<Record<string, string | null>>;
}

interface ProgramSearchOptions {
  /** The environment of the user's login shell, where it is known already. */
  login?: Record<string, string>;
  /** The daemon's own environment. */
  env: Environment;
}

/** After this time the login shell is asked again when a program is not found. */
const LOGIN_ENV_MAX_AGE_MS = 10 * SECOND_MS;

/** Finds programs as the user's terminals do, and the environment they are started with. */
export class ProgramSearch {
  readonly #options: ProgramSearchOptions;
  #login: { atMs: number; env: Promise<Record<string, string>> } | undefined;

  constructor(options: ProgramSearchOptions) {
    this.#options = options;
    if (options.login) this.#login = { atMs: monotonicNow(), env: Promise.resolve(options.login) };
  }

  /** The environment of the user's login shell, empty when it is not known. Cached. */
  loginEnv(): Promise<Record<string, string>> {
    // The registry is read in a millisecond, and an installer may have changed the PATH since.
    if (PLATFORM === "windows" && this.#isLoginOld) this.#login = undefined;
    this.#login ??= {
      atMs: monotonicNow(),
      env: loginEnvironment(this.#options.env).then((env) => env ?? {}),
    };
    return this.#login.env;
  }

  /** Has the login shell asked again when its environment is needed next: its profile may have changed. */
  forgetLoginEnv(): void {
    this.#login = undefined;
  }

  /** How `wanted` is started in `cwd`; undefined when there is no such program. */
  async find(wanted: WantedProgram, cwd: string): Promise<Launch | undefined> {
    const launch = await this.findNow(wanted, cwd);
    if (launch || !this.#isLoginOld) return launch;
    // It may have been installed, or added to the profile, since the shell was asked.
    this.#login = undefined;
    return await this.findNow(wanted, cwd);
  }

  /** As {@linkcode find}, by what is known of the login shell now. */
  async findNow({ command, args, env: added }: WantedProgram, cwd: string): Promise<Launch | undefined> {
    const env = await this.environmentFor(added);
    const executable = await resolveCommand(command, args, { cwd, env, platform: PLATFORM, files: FILES });
    return executable && { ...executable, env, cwd };
  }

  /** What every program inherits, with `added`. */
  async environmentFor(added: WantedProgram["env"]): Promise<Record<string, string>> {
    const own = this.#options.env;
    const login = await this.loginEnv();
    const base = { ...inheritedFrom(login, PLATFORM), ...inheritedFrom(own, PLATFORM) };
    return withVariables({ ...base, PATH: await searchPath(login, own) }, added, PLATFORM);
  }

  get #isLoginOld(): boolean {
    return this.#login !== undefined && monotonicNow() - this.#login.atMs > LOGIN_ENV_MAX_AGE_MS;
  }
}
