import { configureSync, type LogRecord, resetSync } from "@logtape/logtape";

/** What is logged in this process while it is there. */
export class CapturedLog implements Disposable {
  readonly records: LogRecord[] = [];

  constructor() {
    configureSync({
      reset: true,
      sinks: { memory: (record) => void this.records.push(record) },
      loggers: [
        { category: "exai", sinks: ["memory"], lowestLevel: "trace" },
        { category: ["logtape", "meta"], lowestLevel: "error" },
      ],
    });
  }

  /** Each record as its level and its text, since last asked. */
  take(): string[] {
    return this.records.splice(0).map(({ level, message }) => `${level}: ${message.join("")}`);
  }

  [Symbol.dispose](): void {
    resetSync();
  }
}
