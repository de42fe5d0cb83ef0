import { getLogger } from "@logtape/logtape";
import { resolvedWithin } from "../base/abort.ts";
import { messageOf } from "../base/errors.ts";
import { counted, trimEndOf } from "../base/text.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import type { Policy } from "../call/call.ts";
import type { SettingName } from "../config/setting_keys.ts";
import { SETTING_TOPICS, type Settings } from "../config/settings.ts";
import { traceCalls } from "./call_spans.ts";
import type { OtlpOptions } from "./opentelemetry.ts";

const log = getLogger(["exai", "tracing"]);

const { Traces: TRACING_SETTINGS } = SETTING_TOPICS;

/** The settings of traces. */
type TracingSettings = Pick<Settings, keyof typeof TRACING_SETTINGS>;

const NAMES = Object.keys(TRACING_SETTINGS) as (keyof typeof TRACING_SETTINGS)[];

/** The daemon ends then, whether or not the last spans are sent. */
const LAST_SPANS_MS = 2 * SECOND_MS;

/** How long it is said that spans were lost since too many waited. */
const DROPPED_SHOWN_MS = MINUTE_MS;

/** Where the API of OpenTelemetry finds what was registered with it. */
const REGISTERED = Symbol.for("opentelemetry.js.api.1");

/** Traces of calls, where they are sent somewhere. Their packages are loaded then only. */
export class Tracing implements AsyncDisposable {
  /** A setting that may change: one that is a secret is read after the start. */
  #headers: string;
  #policies: readonly Policy[] = [];
  /** Why no traces are sent, where somebody may not know. */
  #none: { why: string; isFault: boolean } | undefined;
  #shutdown: () => Promise<void> = () => Promise.resolve();
  #lost = 0;
  /** Why the last ones could not be sent. */
  #failing: string | undefined;
  /** When the last one was lost since too many waited to be sent, by `performance.now`. */
  #droppedAtMs = -Infinity;
  #tooSlow = "";

  private constructor({ otlpHeaders }: TracingSettings) {
    this.#headers = otlpHeaders;
  }

  /**
   * Never rejects.
   *
   * @param meant the settings that are given for EXAI and no other program. Where none of them is of traces, the variables
   * are those of a person who traces other programs: what EXAI cannot do with them is a note, and otherwise a fault
   */
  static async open(settings: TracingSettings, meant: ReadonlySet<SettingName>): Promise<Tracing> {
    const tracing = new Tracing(settings);
    const { otlpEndpoint, otlpTracesEndpoint } = settings;
    const isAsked = otlpEndpoint !== "" || otlpTracesEndpoint !== "" || isRuntimeTracing();
    if (!isAsked) return tracing;
    const isMeant = NAMES.some((name) => meant.has(name));
    const off = whatTurnsOff(settings);
    if (off) {
      if (isMeant && !meant.has(off.name)) tracing.#sendsNone(`${off.variable} says so`, false);
      return tracing;
    }
    try {
      await tracing.#open(settings);
    } catch (thrown) {
      tracing.#sendsNone(messageOf(thrown), isMeant);
    }
    return tracing;
  }

  /** For all calls; none where traces are sent nowhere. */
  get policies(): readonly Policy[] {
    return this.#policies;
  }

  /** Takes over what may change while the daemon runs. */
  setSettings({ otlpHeaders }: Pick<TracingSettings, "otlpHeaders">): void {
    this.#headers = otlpHeaders;
  }

  /** What is wrong with the settings, in a sentence. */
  faults(): string[] {
    return this.#none?.isFault ? [this.#none.why] : [];
  }

  /** What is lost, in a sentence: whoever receives traces may be off at times. */
  notes(): string[] {
    if (this.#none?.isFault === false) return [this.#none.why];
    const why = this.#failing ?? (this.#isDropping ? this.#tooSlow : undefined);
    if (why === undefined) return [];
    return [`traces are not received: ${why}; ${counted(this.#lost, "span")} lost so far`];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await resolvedWithin(this.#shutdown().catch(() => {}), LAST_SPANS_MS);
  }

  #sendsNone(why: string, isFault: boolean): void {
    this.#none = { why: `no traces are sent: ${why}`, isFault };
    log[isFault ? "error" : "warning"]("{why}", { why: this.#none.why });
  }

  async #open(settings: TracingSettings): Promise<void> {
    const { openOtlpSpans, openRuntimeSpans } = await import("./opentelemetry.ts");
    const spans = isRuntimeTracing() ? openRuntimeSpans() : openOtlpSpans(this.#optionsOf(settings));
    this.#shutdown = () => spans.shutdown();
    this.#policies = [traceCalls(spans)];
  }

  #optionsOf(settings: TracingSettings): OtlpOptions {
    checkExporter(settings);
    const url = addressOf(settings);
    const where = `${url.origin}${url.pathname}`;
    this.#tooSlow = `${where}: it takes them more slowly than they come`;
    return {
      url: url.href,
      isJson: isJson(settings),
      headers: () => this.#headers,
      serviceName: settings.otelServiceName || "exai",
      sampler: settings.tracesSampler || "parentbased_always_on",
      ratio: ratioOf(settings.tracesSamplerArg),
      onSent: (spans, why) => this.#sent(spans, why === undefined ? undefined : `${where}: ${why}`),
      onDropped: () => this.#dropped(),
    };
  }

  #sent(spans: number, why: string | undefined): void {
    const wasFailing = this.#failing !== undefined;
    this.#failing = why;
    if (why !== undefined) this.#lost += spans;
    if (why !== undefined && !wasFailing) log.warning("traces are not received: {why}", { why });
    if (why === undefined && wasFailing) log.info("traces are received again");
  }

  #dropped(): void {
    if (this.#failing === undefined && !this.#isDropping) {
      log.warning("traces are not received: {why}", { why: this.#tooSlow });
    }
    this.#lost++;
    this.#droppedAtMs = performance.now();
  }

  get #isDropping(): boolean {
    return performance.now() - this.#droppedAtMs < DROPPED_SHOWN_MS;
  }
}

/** Whether the runtime sends traces itself (`OTEL_DENO=true`): a compiled program cannot be asked to. */
function isRuntimeTracing(): boolean {
  const registered = (globalThis as { [REGISTERED]?: { trace?: unknown } })[REGISTERED];
  return registered?.trace !== undefined;
}

/** The setting that has nothing sent, whatever the others say. */
function whatTurnsOff(
  { otelDisabled, tracesExporter }: TracingSettings,
): { name: SettingName; variable: string } | undefined {
  if (otelDisabled) return { name: "otelDisabled", variable: "OTEL_SDK_DISABLED" };
  const isNone = tracesExporter.trim() === "none" && !isRuntimeTracing();
  return isNone ? { name: "tracesExporter", variable: "OTEL_TRACES_EXPORTER" } : undefined;
}

/** @throws when it is no URL of OTLP over HTTP */
function addressOf({ otlpEndpoint, otlpTracesEndpoint }: TracingSettings): URL {
  const isWhole = otlpTracesEndpoint !== "";
  const url = URL.parse(isWhole ? otlpTracesEndpoint : otlpEndpoint);
  if (!url || !/^https?:$/.test(url.protocol)) {
    const variable = isWhole ? "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" : "OTEL_EXPORTER_OTLP_ENDPOINT";
    throw new Error(`${variable} must be a URL with http or https`);
  }
  // Before a query, which may hold the key of a service.
  if (!isWhole) url.pathname = `${trimEndOf(url.pathname, "/")}/v1/traces`;
  url.hash = "";
  return url;
}

/** @throws when it is not spoken here */
function isJson({ otlpProtocol, otlpTracesProtocol }: TracingSettings): boolean {
  const [variable, protocol] = otlpTracesProtocol === ""
    ? ["OTEL_EXPORTER_OTLP_PROTOCOL", otlpProtocol]
    : ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", otlpTracesProtocol];
  if (protocol === "http/json") return true;
  if (protocol === "http/protobuf" || protocol === "") return false;
  throw new Error(
    `${variable} is ${protocol}, and EXAI sends http/protobuf or http/json, most often to port 4318: ` +
      'set "otlpProtocol" and "otlpEndpoint" in exai.json, or "otelDisabled": true',
  );
}

/** @throws when traces are to be sent by something that is not here */
function checkExporter({ tracesExporter }: TracingSettings): void {
  if (tracesExporter.split(",").some((name) => name.trim() === "otlp")) return;
  throw new Error(`OTEL_TRACES_EXPORTER is ${tracesExporter}, and EXAI sends by otlp`);
}

function ratioOf(text: string): number {
  const ratio = text.trim() === "" ? 1 : Number(text);
  if (ratio >= 0 && ratio <= 1) return ratio;
  throw new Error(`OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1`);
}
