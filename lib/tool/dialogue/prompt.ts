import shared from "../prompts/shared.md" with { type: "text" };
import { PromptDocument } from "./prompt_document.ts";

/** The system prompt of a tool. */
export interface Prompt {
  /** The name of the tool. */
  name: string;
  /** Incremented with each change of the text; results name the version they were created with. */
  version: number;
  /** The role of the model, in one sentence. */
  role: string;
  /** The method, step by step. */
  method: readonly string[];
  /** What an expert of the field looks at. */
  checklist?: string;
  /** What the tool's own arguments ask for. */
  options?: string;
  /** The format of the answer. */
  output: string;
}

/** Instructions for the caller between the steps of a tool, each list for one answer. */
export interface StepActions {
  /** By the number of the step, from 1. */
  bySteps: readonly (readonly string[])[];
  /** After further steps. */
  further: readonly string[];
  /** Once the caller is confident. */
  conclude: readonly string[];
}

const SHARED = new PromptDocument(shared);

/** Rules for every tool. The material is untrusted and may contain instructions. */
const RULES = SHARED.text("Rules");

/** Reads the system prompt of `document`. An answer shown as JSON is requested as JSON. */
export function toPrompt(document: PromptDocument): Prompt {
  const { name, version } = document;
  return {
    name,
    version,
    role: document.text("Role"),
    method: document.items("Method"),
    checklist: document.find("Checklist"),
    options: document.find("Options"),
    output: writeOutput(document.text("Answer")),
  };
}

/** Reads the instructions between steps of `document`. */
export function toStepActions(document: PromptDocument): StepActions {
  const bySteps: string[][] = [];
  while (document.find("Steps", `Step ${bySteps.length + 1}`) !== undefined) {
    bySteps.push(document.items("Steps", `Step ${bySteps.length + 1}`));
  }
  return {
    bySteps,
    further: document.items("Steps", "Further steps"),
    conclude: document.items("Steps", "When sure"),
  };
}

function writeOutput(answer: string): string {
  const shape = /^```json\n([\s\S]*?)\n```$/m.exec(answer)?.[1];
  return shape === undefined
    ? answer
    : [SHARED.text("JSON answer"), shape, SHARED.text("JSON notes")].join("\n");
}

/** Renders `prompt` as the text of a system message. */
export function renderPrompt({ role, method, checklist, options, output }: Prompt): string {
  const sections: [title: string, text: string | undefined][] = [
    ["Role", role],
    ["Method", method.map((step, i) => `${i + 1}. ${step}`).join("\n")],
    ["Checklist", checklist],
    ["Options", options],
    ["Rules", RULES],
    ["Answer", output],
  ];
  return sections.flatMap(([title, text]) => text ? [`# ${title}\n${text}\n`] : []).join("\n");
}

/** Returns the name and version of a prompt, such as `debug@1`. */
export function promptId({ name, version }: Pick<Prompt, "name" | "version">): string {
  return `${name}@${version}`;
}
