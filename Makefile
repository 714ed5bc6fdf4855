# The two commands that the README promises, and those that its authors use.
# make demo               a broker, a plant, a Python and a TypeScript model; Ctrl-C ends it
# make demo SECONDS=20    the same, ending by itself
# make test               all tests
# make check              types, linter, format
# make format             writes the format

NODE := node_modules/.bin/node
INSTALLED := node_modules/.package-lock.json

.PHONY: demo test check format build clean

demo: $(INSTALLED)
	@$(NODE) src/main.ts demo $(if $(SECONDS),--seconds $(SECONDS)) $(DEMO)

test: $(INSTALLED)
	npm run --silent build
	npm test --silent

check: $(INSTALLED)
	npm run --silent typecheck
	npm run --silent lint
	npm run --silent format:check

format: $(INSTALLED)
	npm run --silent format

build: $(INSTALLED)
	npm run --silent build

clean:
	rm -rf dist coverage

$(INSTALLED): package.json package-lock.json
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@
