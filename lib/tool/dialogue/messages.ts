import type { ChatMessage, ImagePart } from "../../provider/provider.ts";
import { type Attachment, type LeftOut, renderAttachment } from "../material/attachment.ts";
import type { Material } from "../material/collect.ts";
import type { DialogueExchange, History } from "./history.ts";

/** A question with everything that goes with it. */
interface Composition {
  system: string;
  history: History;
  /** The question itself. */
  text: string;
  material: Material;
  images: readonly ImagePart[];
}

/**
 * The messages of a request: the system prompt, the conversation so far, the question. Each file stands where the
 * content it has now was first shown, so that what a provider has in its cache stays valid; one that was edited since
 * stands with the question.
 */
export function composeMessages({ system, history, text, material, images }: Composition): ChatMessage[] {
  const { exchanges, unanswered } = history;
  const placed = place(material.attachments, exchanges);
  const past = exchanges.flatMap((exchange, i): ChatMessage[] => [
    { role: "user", content: joinParts([...placed[i]!.map(renderAttachment), exchange.user]) },
    { role: "assistant", content: exchange.assistant },
  ]);
  const now = joinParts([
    ...placed.at(-1)!.map(renderAttachment),
    describeLeftOut(material.leftOut),
    unanswered,
    text,
  ]);
  return [
    { role: "system", content: system },
    ...past,
    { role: "user", content: images.length === 0 ? now : [...images, { type: "text", text: now }] },
  ];
}

/** The attachments of each exchange, and last those of the question. */
function place(attachments: readonly Attachment[], exchanges: readonly DialogueExchange[]): Attachment[][] {
  const places: Attachment[][] = Array.from({ length: exchanges.length + 1 }, () => []);
  for (const attachment of attachments) {
    const { path, hash } = attachment;
    const first = exchanges.findIndex(({ files }) =>
      files.some((file) => file.path === path && file.hash === hash)
    );
    places.at(first)!.push(attachment);
  }
  return places;
}

function describeLeftOut(leftOut: readonly LeftOut[]): string {
  if (leftOut.length === 0) return "";
  const lines = leftOut.map(({ name, reason }) => `- ${name}: ${reason}`);
  return `Not shown:\n${lines.join("\n")}`;
}

function joinParts(parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join("\n\n");
}
