/**
 * The public surface of edgeboot.
 *
 * For models: {@link defineModel} gives a handler its types. For applications: {@link defineApp} in
 * `edgeboot.config.ts` adds starters, {@link defineStarter} and the service keys tell them what is
 * there. {@link Boot} runs starters on its own, for those who embed it.
 *
 * @example
 * import { defineApp } from 'edgeboot'
 * export default defineApp({
 *   starters: [{ name: 'hello', start: (context) => context.log.info('hello.started') }],
 * })
 *
 * @module
 */

/** Types of a model, at no cost. */
export { defineModel } from './runtime/define-model.ts'
export type { Handler, ModelContext, ModelDefinition, ModelLog } from './runtime/define-model.ts'

/** Your own starters. */
export { defineApp } from './boot/define-app.ts'
export type { App, AppDefinition } from './boot/define-app.ts'
export { defineStarter, PriorityGroup } from './boot/starter.ts'
export type { Starter, StarterDefinition } from './boot/starter.ts'
export { serviceKey } from './boot/starter-context.ts'
export type { ServiceKey, StarterContext } from './boot/starter-context.ts'
export { Boot } from './boot/boot.ts'
export type { BootOptions } from './boot/boot.ts'

/** What edgeboot's own starters offer to yours. */
export { settingsKey, systemViewKey, webAddressKey } from './starters/services.ts'
export type { Settings } from './config/settings.ts'
export type { PipelineState, PipelineStatus, SystemView } from './host/system-view.ts'
export type { PipelineStats } from './pipeline/pipeline-stats.ts'

/** Errors and logs as everything here uses them. */
export { EdgebootError } from './core/errors.ts'
export type { ErrorCode } from './core/error-catalogue.ts'
export type { Logger, LogLevel } from './core/log.ts'
export type { Clock } from './core/clock.ts'
