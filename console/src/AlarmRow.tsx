// One alarm in the list: what, value with trend and limit, where, since when, who has it, and the way to take it.
import type { ComponentChildren } from "preact";
import { deviceOf, digitOf, holdOf, shownLevel, titleOf } from "./alarms";
import type { Alarm } from "./contract";
import { Mark } from "./levels";
import { agoText, sinceText, spanText } from "./moments";
import { useNow } from "./now";
import { numberText, quantityText } from "./quantities";
import { acknowledge, situation } from "./situation";
import { useSlice } from "./store";
import { useCurrent, useHubNow } from "./useCurrent";
import { useWords } from "./words";

interface RowProps {
  alarm: Alarm;
  letter: string;
  selected: boolean;
  select(id: string): void;
  /** Under the open card on the phone. */
  children?: ComponentChildren;
}

export function AlarmRow({ alarm, letter, selected, select, children }: RowProps) {
  const { words } = useWords();
  const level = shownLevel(alarm);
  const hold = holdOf(alarm);
  const title = titleOf(alarm, words);
  const classes = ["alarm", `level-${level}`, hold, alarm.exercise ? "exercise" : "real", selected ? "selected" : ""].join(" ");
  const mark = <Mark level={level} hold={hold} exercise={alarm.exercise} />;
  return (
    <li class={classes} data-alarm={alarm.id} data-letter={letter} data-hold={hold} data-level={level}>
      <button type="button" class="alarm-open" aria-pressed={selected} onClick={() => select(alarm.id)}>
        {mark}
        <span class="alarm-words">
          <span class="alarm-title">
            <span class="alarm-letter">{letter}</span>
            {alarm.exercise && <span class="exercise-tag">{words.exercise}</span>}
            <bdi title={title}>{title}</bdi>
            <span class="for-ears">, {words.level(digitOf(level), words.levels[level])}, {words.alarm.state[hold]}</span>
          </span>
          <Measured alarm={alarm} />
          <bdi class="alarm-device">{deviceOf(alarm)}</bdi>
          <Where alarm={alarm} />
        </span>
      </button>
      <div class="alarm-side">
        <Who alarm={alarm} />
        {(hold === "untaken" || hold === "over") && <Acknowledge alarm={alarm} letter={letter} />}
      </div>
      {children}
    </li>
  );
}

export function Measured({ alarm }: { alarm: Alarm }) {
  const { words, lang } = useWords();
  const { value, trend: way, at, old, doubt } = useCurrent(alarm);
  const now = useHubNow();
  const arrow = way === 1 ? "↑" : way === -1 ? "↓" : way === 0 ? "→" : "";
  const state = words.stateOf(alarm.metric, value);
  const title = titleOf(alarm, words).toLowerCase();
  const metric = alarm.metric === null ? "" : words.metric(alarm.metric);
  const trend = way === 1 ? words.alarm.rising : way === -1 ? words.alarm.falling : words.alarm.steady;
  return (
    <span class="alarm-measured">
      <b class={old ? "value old" : "value"}>{state ?? quantityText(value, alarm.unit, lang)}</b>
      {old && <span class="age"> {words.alarm.ago(agoText(now - at, lang))}</span>}
      {doubt && <span class="doubt"> {words.alarm.doubt[doubt]}</span>}
      {!old && arrow && state === null && alarm.state === "standing" && <span class="trend"> <span aria-hidden="true">{arrow}</span><span class="for-ears">{trend}</span></span>}
      {alarm.threshold !== null && state === null && <span class="limit"> {words.alarm.limit} {numberText(alarm.threshold, lang)}</span>}
      {metric && !title.includes(metric.toLowerCase()) && <span class="metric"><span class="dot-between"> · </span><bdi>{metric}</bdi></span>}
    </span>
  );
}

function Where({ alarm }: { alarm: Alarm }) {
  const { words, lang } = useWords();
  const now = useNow();
  const zone = alarm.zone_name || alarm.zone || words.alarm.nowhere;
  // What the hub says of a zone bears the zone's own name: once is enough.
  const said = zone === deviceOf(alarm);
  return (
    <span class="alarm-where">
      {!said && <bdi>{zone}</bdi>}
      <span class="since">{!said && <span class="dot-between"> · </span>}{words.alarm.since(sinceText(Date.parse(alarm.raised_at), now, lang))}</span>
    </span>
  );
}

export function Who({ alarm }: { alarm: Alarm }) {
  const { words, lang } = useWords();
  const now = useNow();
  const hold = holdOf(alarm);
  if (hold === "closed") return <span class="who">{words.alarm.closed}</span>;
  if (hold === "over") return <span class="who">{words.alarm.over(sinceText(Date.parse(alarm.returned_at ?? alarm.changed_at), now, lang))}</span>;
  if (hold === "untaken") {
    return <span class="who"><span class="waiting-word">{words.alarm.waiting} </span><b class="waiting">{spanText(now - Date.parse(alarm.raised_at), lang)}</b></span>;
  }
  const takenAt = Date.parse(alarm.acknowledged_at ?? "");
  return (
    <span class="who">
      <b><bdi>{alarm.acknowledged_by}</bdi></b>
      <span class="note">{words.alarm.takenAt(sinceText(takenAt, now, lang))}</span>
      <span class="note took">{words.alarm.took(spanText(takenAt - Date.parse(alarm.raised_at), lang))}</span>
    </span>
  );
}

export function Acknowledge({ alarm, letter, big = false, disabled = false }: { alarm: Alarm; letter: string; big?: boolean; disabled?: boolean }) {
  const { words } = useWords();
  const sending = useSlice(situation, (now) => now.sending).has(alarm.id);
  return (
    <button type="button" class={big ? "acknowledge big" : "acknowledge"} disabled={disabled} aria-disabled={sending}
      aria-label={words.alarm.acknowledgeThis(words.list.label(letter, `${titleOf(alarm, words)}, ${deviceOf(alarm)}`))} onClick={() => void acknowledge(alarm.id)}>
      {sending ? words.alarm.sending : words.alarm.acknowledge}
      {big && <span class="big-what"><span class="alarm-letter">{letter}</span> <bdi>{titleOf(alarm, words)} · {deviceOf(alarm)}</bdi></span>}
    </button>
  );
}
