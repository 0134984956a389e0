# extension.mk
#
# The extension by PGXS: `make -f extension.mk all | install | installcheck | clean`. Run from the
# top directory, where PGXS looks for the control file.

PG_CONFIG ?= pg_config

EXTENSION = authmeter
EXTENSION_VERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" authmeter.control)
EXTENSION_SQL = authmeter--$(EXTENSION_VERSION).sql
EXTENSION_PARTS := $(sort $(wildcard extension/install/[0-9]*.sql))

MODULE_big = authmeter
OBJS := $(patsubst %.c,%.o,$(sort $(wildcard extension/*.c extension/core/*.c extension/crypto/*.c)))
DATA = $(wildcard extension/upgrade/*.sql)
DATA_built = $(EXTENSION_SQL)

PG_CPPFLAGS = -Iextension
PG_CFLAGS = -std=gnu11 -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers
# Each object leaves the list of the headers it was made from beside it.
PG_CFLAGS += -MMD -MP
SHLIB_LINK = -lcrypto -lunistring -lidn2

ifneq ($(WERROR),)
PG_CFLAGS += -Werror
endif
# PostgreSQL was configured for gcc: clang does not know all of its options.
ifneq ($(findstring clang,$(CC)),)
PG_CFLAGS += -Wno-unknown-warning-option -Wno-ignored-optimization-argument
PG_CFLAGS += -Wno-unused-command-line-argument -Wno-ignored-attributes
endif
# Bitcode doubles the time of a build; packagers say with_llvm=yes.
ifneq ($(origin with_llvm),command line)
override with_llvm = no
endif

# In this order: later tests may use what an earlier one made. `make lint` names forgotten files.
REGRESS = install setting status audit audit_chain key jwt jwt_attack password user login \
	token session ratelimit gcra mail mail_template otp one_time_token registration totp \
	service_token usage ledger ledger_grant plan quota notification api_key price identity \
	housekeeping api_vsplugin rate_policy api_quizzer api_jobpsych api_autoverse \
	api_autoverse_login api_autoverse_session api_autoverse_account payment_signature \
	meter_event attack_argument catalog
# The specs of what counts in tables when the library is not preloaded; the others want it preloaded.
ISOLATION_PLAIN = rate_row
ISOLATION = $(filter-out $(ISOLATION_PLAIN), \
	$(notdir $(basename $(sort $(wildcard extension/isolation/specs/*.spec)))))
ISOLATION_OPTS = --inputdir=extension/isolation --load-extension=pgcrypto --load-extension=authmeter
TAP_TESTS = 1
PROVE_TESTS = extension/t/*.pl

EXTRA_CLEAN = $(OBJS:.o=.d) $(wildcard authmeter--*.sql)

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

ifeq ($(wildcard $(PGXS)),)

.DEFAULT all:
	@echo "make: the server headers of PostgreSQL are missing (package postgresql-server-dev-15);" >&2
	@echo "make: dev/deps.sh build installs everything that a build needs" >&2
	@exit 1

else

include $(PGXS)

# The directory is named too, so that a part taken away is noticed.
$(EXTENSION_SQL): $(EXTENSION_PARTS) extension/install
	cat $(filter %.sql,$^) >$@.tmp && mv $@.tmp $@

# dev/check.sh asks for the lists above.
print-%:
	@echo $($*)

-include $(OBJS:.o=.d)

endif
