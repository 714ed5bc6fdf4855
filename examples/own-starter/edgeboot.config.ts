import { defineApp } from 'edgeboot'
import { HeartbeatStarter } from './heartbeat-starter.ts'

export default defineApp({
  starters: [
    new HeartbeatStarter('heartbeat.json', 60_000),

    // The short way: whatever a starter leaves out has a default.
    { name: 'hello', start: (context) => context.log.info('hello.started') },
  ],
})
