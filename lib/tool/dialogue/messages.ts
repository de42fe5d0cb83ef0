import type { ChatMessage, ContentPart } from "../../provider/provider.ts";
import { type Attachment, renderAttachment } from "../material/attachment.ts";
import { type LeftOut, renderNote } from "../material/left_out.ts";
import type { Material } from "../material/material_builder.ts";
import type { DialogueExchange, History } from "./history.ts";

/** The parts of a request. */
interface Composition {
  system: string;
  history: History;
  /** The question itself. */
  text: string;
  material: Material;
  /** Images and documents shown with the question. */
  parts: readonly ContentPart[];
}

/**
 * Composes the messages of a request: the system prompt, the conversation so far, the question. A file is placed where
 * its current content was first shown, which keeps the provider's prompt cache valid; a file edited since is placed
 * with the question.
 */
export function composeMessages({ system, history, text, material, parts }: Composition): ChatMessage[] {
  const { exchanges, unanswered, earlier = "" } = history;
  const placed = placeAttachments(material.attachments, exchanges);
  const past = exchanges.flatMap((exchange, i): ChatMessage[] => [
    {
      role: "user",
      content: joinParts([i === 0 ? earlier : "", ...placed[i]!.map(renderAttachment), exchange.user]),
    },
    { role: "assistant", content: toSendable(exchange.assistant), speaker: exchange.speaker },
  ]);
  const now = joinParts([
    exchanges.length === 0 ? earlier : "",
    ...placed.at(-1)!.map(renderAttachment),
    describeLeftOut(material.leftOut),
    unanswered,
    text,
  ]);
  return [
    { role: "system", content: toSendable(system) },
    ...past,
    { role: "user", content: parts.length === 0 ? now : [...parts, { type: "text", text: now }] },
  ];
}

/** Some providers reject a request with a NUL or half a character in it; the caller and earlier answers may have them. */
export function toSendable(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\ufffd");
}

/** Groups the attachments by exchange; the last group belongs to the question. */
function placeAttachments(
  attachments: readonly Attachment[],
  exchanges: readonly DialogueExchange[],
): Attachment[][] {
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
  return `Not shown:\n${leftOut.map(renderNote).join("\n")}`;
}

function joinParts(parts: readonly string[]): string {
  return toSendable(parts.filter((part) => part !== "").join("\n\n"));
}
