import { createHash } from 'node:crypto'
import type { PipelineState, PipelineStatus, SystemView } from '../host/system-view.ts'
import { quantileMs } from '../pipeline/latency-histogram.ts'
import { dropReasons, type PipelineStats } from '../pipeline/pipeline-stats.ts'
import { noStats, type StatsByPipeline } from './stats-reader.ts'

const refreshSeconds = 5

const style = `
:root { color-scheme: light dark; --line: #d4d8de; --soft: #667085; --good: #14713d; --busy: #8a5a00; --bad: #b42318 }
@media (prefers-color-scheme: dark) { :root { --line: #3a4049; --soft: #98a2b3; --good: #5fd08f; --busy: #f0b44c; --bad: #ff8a7d } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem }
h1 { font-size: 1.3rem; margin: 0 }
p { color: var(--soft); margin: .25rem 0 1.5rem }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid var(--line); padding: .5rem .75rem; text-align: left; vertical-align: top }
th { color: var(--soft); font-weight: 600; white-space: nowrap }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.name { overflow-wrap: anywhere; min-width: 12rem }
.reason { max-width: 26rem; overflow-wrap: anywhere }
small { color: var(--soft); display: block }
.good { color: var(--good); font-weight: 600 } .busy { color: var(--busy); font-weight: 600 } .bad { color: var(--bad); font-weight: 600 }
nav { margin-top: 1.5rem } nav a { margin-right: 1.25rem }
`

const styleHash = createHash('sha256').update(style).digest('base64')

/** Content-security policy of the page: its one style sheet, and nothing else from anywhere. */
export const statusPagePolicy =
  `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; ` +
  `frame-ancestors 'none'`

/**
 * One page of HTML that tells how the pipelines fare. No script; a browser asks again by itself.
 * Names and reasons come from configurations and models: every text is escaped.
 *
 * @param now - Milliseconds since 1970.
 */
export function renderStatusPage(view: SystemView, stats: StatsByPipeline, now: number): string {
  const pipelines = view.pipelines()
  const ready = pipelines.filter(({ state }) => state === 'READY').length
  const rows = pipelines.map((status) => row(status, stats.get(status.name) ?? noStats, now))
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="${refreshSeconds}">
<title>${ready}/${pipelines.length} ready · edgeboot</title>
<style>${style}</style>
</head>
<body>
<h1>edgeboot ${escapeHtml(view.version)}</h1>
<p>${ready} of ${pipelines.length} pipelines ready · up for ${span(now - view.startedAt)}</p>
<div class="scroll">
<table>
<thead><tr><th>Pipeline</th><th>State</th><th>Reason</th><th class="number">Received</th><th class="number">Published</th><th class="number">Dropped</th><th class="number">Waiting<small>before / in / after model</small></th><th class="number">p50 / p99</th></tr></thead>
<tbody>
${rows.join('\n') || '<tr><td colspan="8">The configuration has no pipelines.</td></tr>'}
</tbody>
</table>
</div>
${lastReload(view, now)}<nav><a href="/api/v1/pipelines">pipelines as JSON</a><a href="/readyz">readyz</a><a href="/livez">livez</a><a href="/metrics">metrics</a><a href="/queue_size_metrics">queue_size_metrics</a></nav>
</body>
</html>
`
}

function lastReload({ reloads: { last } }: SystemView, now: number): string {
  if (last === undefined) return ''
  const mood = last.result === 'applied' ? 'good' : 'bad'
  const { replaced, added, removed } = last
  const counts = `${replaced.length} replaced, ${added.length} added, ${removed.length} removed`
  const what = last.result === 'refused' ? 'nothing was changed' : counts
  const reason = last.reason === '' ? '' : `<br>${escapeHtml(last.reason)}`
  const restart =
    last.needsRestart.length === 0 ? '' : ` · needs a restart: ${last.needsRestart.join(', ')}`
  const text = `${what}${restart} · ${last.by}, ${span(now - last.at)} ago`
  return `<p>Last reload: <span class="${mood}">${last.result}</span> · ${escapeHtml(text)}${reason}</p>\n`
}

function row(status: PipelineStatus, stats: PipelineStats, now: number): string {
  const model = [status.model, status.modelVersion, status.engine].filter(Boolean).join(' · ')
  const { counts } = stats.latency
  const cells = [
    `<td class="name">${escapeHtml(status.name)}<small>${escapeHtml(`${status.rule} · ${model}`)}</small></td>`,
    `<td><span class="${mood(status.state)}">${status.state}</span><small>for ${span(now - status.since)}</small></td>`,
    `<td class="reason">${escapeHtml(status.reason)}${update(status, now)}</td>`,
    `<td class="number">${count(stats.received)}${received(stats)}</td>`,
    `<td class="number">${count(stats.published)}</td>`,
    `<td class="number">${dropped(stats)}</td>`,
    `<td class="number">${count(stats.preQueue)} / ${count(stats.inRunners)} / ${count(stats.postQueue)}${waiting(stats)}</td>`,
    `<td class="number">${milliseconds(quantileMs(counts, 0.5))} / ${milliseconds(quantileMs(counts, 0.99))}</td>`,
  ]
  return `<tr>${cells.join('')}</tr>`
}

/** What comes of another version of the model, until one is in effect for good. */
function update({ update }: PipelineStatus, now: number): string {
  if (update === undefined) return ''
  const { state, version, reason, since } = update
  const mood = state === 'refused' || state === 'rolled-back' ? 'bad' : 'busy'
  const text = `${reason} · ${span(now - since)} ago`
  return `<small>version ${escapeHtml(version)} <span class="${mood}">${state}</span>: ${escapeHtml(text)}</small>`
}

function received(stats: PipelineStats): string {
  return (
    small('again', stats.redelivered) +
    small('unacknowledged', stats.unacknowledged) +
    small('sessions lost', stats.sessionsLost)
  )
}

function waiting(stats: PipelineStats): string {
  return small('on disk', stats.spooled)
}

/** Nothing for 0: most pipelines never have one. */
function small(text: string, value: number): string {
  return value === 0 ? '' : `<small>${text} ${count(value)}</small>`
}

function dropped(stats: PipelineStats): string {
  const reasons = dropReasons.filter((reason) => (stats.dropped[reason] ?? 0) > 0)
  const total = reasons.reduce((sum, reason) => sum + stats.dropped[reason], 0)
  const lines = reasons.map((reason) => small(reason, stats.dropped[reason]))
  return count(total) + lines.join('')
}

function mood(state: PipelineState): 'good' | 'busy' | 'bad' {
  if (state === 'READY') return 'good'
  return state === 'BACKOFF' || state === 'BROKEN' ? 'bad' : 'busy'
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}

function milliseconds(value: number | undefined): string {
  if (value === undefined) return '–'
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value).toLocaleString('en-US')} ms`
}

/** The two largest units that count, such as `3 d 4 h`. */
function span(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ]
  const first = parts.findIndex(([value]) => value > 0)
  if (first < 0) return '0 s'
  const shown = parts.slice(first, first + 2).filter(([value]) => value > 0)
  return shown.map(([value, unit]) => `${value} ${unit}`).join(' ')
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
