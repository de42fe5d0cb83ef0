import { ServerBreaker } from "../admission/breaker.ts";
import { Permits } from "../admission/permits.ts";
import { CallBound } from "../admission/policies.ts";
import { ProcessAdmission } from "../admission/process_admission.ts";
import type { Admission } from "../call/admission.ts";
import type { Settings } from "../config/settings.ts";
import type { AdmittedProcess } from "../upstream/process_records.ts";

type AdmissionSettings = Pick<
  Settings,
  | "breakerFailures"
  | "breakerOpenMs"
  | "callTimeoutMs"
  | "sessionMaxInflight"
  | "globalMaxInflight"
  | "queueMax"
>;

/** Admission of all calls: the permits of the daemon, the bound on each session, the admission of each process. */
export class Admissions {
  /** The permits of the daemon. */
  readonly permits: Permits;
  /** Bounds the calls of each session. */
  readonly bound: CallBound;
  readonly #settings: AdmissionSettings;
  readonly #onChange: () => void;

  /** `onChange` is called when a breaker has opened or closed. */
  constructor(settings: AdmissionSettings, onChange: () => void) {
    const { sessionMaxInflight, globalMaxInflight, queueMax } = settings;
    this.#settings = settings;
    this.#onChange = onChange;
    const limits = { perKey: sessionMaxInflight, total: globalMaxInflight, everyKeyRuns: true };
    const permits = new Permits({ ...limits, queueMax });
    this.permits = permits;
    this.bound = new CallBound(sessionMaxInflight + queueMax, (session) => permits.overCapacity(session));
  }

  /** Number of calls that wait. */
  get waiting(): number {
    return Math.max(0, this.bound.size - this.permits.held);
  }

  /** The admission of one process of a mounted server. */
  readonly ofProcess = (process: AdmittedProcess): Admission => {
    const { queueMax } = this.#settings;
    const callTimeoutMs = process.callTimeoutMs ?? this.#settings.callTimeoutMs;
    const options = { ...process, callTimeoutMs };
    return new ProcessAdmission({
      ...options,
      permits: this.permits,
      queueMax,
      breaker: this.#breakerOf(options),
    });
  };

  /** The admission of EXAI's own tools, which have no breaker. */
  ofOwn(name: string): Admission {
    const { queueMax } = this.#settings;
    return new ProcessAdmission({ name, permits: this.permits, queueMax, asksProviders: true });
  }

  #breakerOf(
    { name, where, callTimeoutMs, isShared }: AdmittedProcess & { callTimeoutMs: number },
  ): ServerBreaker | undefined {
    const { breakerFailures, breakerOpenMs } = this.#settings;
    if (breakerFailures === 0) return undefined;
    return new ServerBreaker({
      name,
      where,
      failures: breakerFailures,
      openMs: breakerOpenMs,
      callTimeoutMs,
      isShared,
      onChange: this.#onChange,
    });
  }
}
