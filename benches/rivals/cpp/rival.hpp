// What a rival is, and what is measured of it. Each stands in a file of its own, so that its
// receivers are not inlined into the loops of another.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using u64 = std::uint64_t;

// The receiver's work: an addition whose result is stored, as Rust's black_box does it.
inline void work(u64 c, u64 x) {
    u64 sum = c + x;
    asm volatile("" : : "r"(&sum) : "memory");
}

// A receiver for tables written by hand. Made in another file than theirs: a compiler that sees
// the only implementation inlines it.
struct Receiver {
    virtual ~Receiver() = default;
    virtual void call(const u64& x) = 0;
};
Receiver* make_receiver(u64 c);

inline u64 now() {
    auto since = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
}

// Numbers that look random and are the same every time; Rust's have the same.
struct Lcg {
    u64 state;
    u64 below(u64 bound) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        return (state >> 33) % bound;
    }
};

// Takes the repetitions, returns the nanoseconds.
using Run = std::function<u64(u64)>;

struct Latency {
    // How often each latency below 2^16 ns was met, and the longer ones.
    std::vector<u64> counts = std::vector<u64>(1 << 16);
    std::vector<u64> longer;
    u64 pairs = 0;
    u64 took = 0;
    void add(u64 nanoseconds);
};

u64 on_threads(u64 count, const std::function<void()>& work);
// Runs `pair` on a second thread until `sends` is through; fills in the pairs.
void under_churn(Latency& latency, const std::function<void(u64)>& pair, const std::function<void()>& sends);
// Runs `change` on a second thread, once each `period` ns or without pause if that is 0, until `sends` is through.
void under_changes(Latency& latency, u64 period, const std::function<void(u64)>& change,
                   const std::function<void()>& sends);
u64 bytes_in_use();

struct Rival {
    std::string name, about;
    // Empty where it is measured; else the reason why it is not.
    std::string not_changed, not_shared;
    virtual ~Rival() = default;
    virtual Run sends(u64 receivers) = 0;
    virtual Run threads(u64 receivers, u64 count) = 0;
    // A pair of the newest, and of a random one.
    virtual std::pair<Run, Run> changes(u64 held) = 0;
    virtual std::function<void(Latency&)> latency(u64 receivers, u64 sends) = 0;
    virtual std::function<void(Latency&, u64)> tail(u64 receivers, u64 sends) = 0;
    virtual double bytes(u64 receivers) = 0;
    // Nothing if it has no senders.
    virtual Run senders(u64 count, bool random) = 0;
};

std::vector<std::unique_ptr<Rival>>& rivals();

// Has senders: how it sends from one of them.
template <class R>
concept BySender = requires(R& rival, u64 sender) { rival.send_from(sender); };

// R has: Held, Local (made from an R&), R(n, held), send(local), connect(c), disconnect(held).
template <class R>
struct Measured : Rival {
    struct alignas(256) Apart {
        std::vector<typename R::Held> held;
        R rival;
        explicit Apart(u64 n) : rival(n, held) {}
    };

    __attribute__((noinline)) static void send(R& rival, typename R::Local& local, u64 repeats) {
        for (u64 i = 0; i < repeats; i++) {
            rival.send(local);
            asm volatile("" : : : "memory");
        }
    }

    Run sends(u64 receivers) override {
        auto apart = std::make_shared<Apart>(receivers);
        return [apart](u64 repeats) {
            typename R::Local local(apart->rival);
            u64 started = now();
            send(apart->rival, local, repeats);
            return now() - started;
        };
    }

    Run threads(u64 receivers, u64 count) override {
        auto apart = std::make_shared<Apart>(receivers);
        return [apart, count](u64 repeats) {
            return on_threads(count, [&] {
                typename R::Local local(apart->rival);
                send(apart->rival, local, repeats);
            });
        };
    }

    std::pair<Run, Run> changes(u64 held) override {
        if constexpr (R::changes) {
            auto apart = std::make_shared<Apart>(held);
            Run newest = [apart](u64 repeats) {
                u64 started = now();
                for (u64 i = 0; i < repeats; i++) apart->rival.disconnect(apart->rival.connect(i));
                return now() - started;
            };
            Run random = [apart, numbers = Lcg{1}](u64 repeats) mutable {
                u64 started = now();
                for (u64 i = 0; i < repeats; i++) {
                    auto& place = apart->held[numbers.below(apart->held.size())];
                    auto old = std::exchange(place, apart->rival.connect(i));
                    apart->rival.disconnect(old);
                }
                return now() - started;
            };
            return {newest, random};
        }
        return {};
    }

    std::function<void(Latency&)> latency(u64 receivers, u64 sends) override {
        if constexpr (R::changes) {
            auto apart = std::make_shared<Apart>(receivers);
            return [apart, sends](Latency& latency) {
                auto pair = [&](u64 c) { apart->rival.disconnect(apart->rival.connect(c)); };
                under_churn(latency, pair, [&] {
                    typename R::Local local(apart->rival);
                    for (u64 i = 0; i < sends; i++) {
                        u64 started = now();
                        apart->rival.send(local);
                        asm volatile("" : : : "memory");
                        latency.add(now() - started);
                    }
                });
            };
        }
        return {};
    }

    // The function takes the period of the changes.
    std::function<void(Latency&, u64)> tail(u64 receivers, u64 sends) override {
        if constexpr (R::changes) {
            auto apart = std::make_shared<Apart>(receivers);
            return [apart, sends](Latency& latency, u64 period) {
                std::vector<typename R::Held> held;
                auto change = [&](u64 c) {
                    if (held.empty()) {
                        held.push_back(apart->rival.connect(c));
                    } else {
                        apart->rival.disconnect(held.back());
                        held.pop_back();
                    }
                };
                under_changes(latency, period, change, [&] {
                    typename R::Local local(apart->rival);
                    for (u64 i = 0; i < sends; i++) {
                        u64 started = now();
                        apart->rival.send(local);
                        asm volatile("" : : : "memory");
                        latency.add(now() - started);
                    }
                });
                if (!held.empty()) apart->rival.disconnect(held.back());
            };
        }
        return {};
    }

    Run senders(u64 count, bool random) override {
        if constexpr (BySender<R>) {
            auto rival = std::make_shared<R>(count);
            return [rival, count, random, numbers = Lcg{3}](u64 repeats) mutable {
                u64 started = now();
                for (u64 i = 0; i < repeats; i++) {
                    rival->send_from(random ? numbers.below(count) : count / 2);
                    asm volatile("" : : : "memory");
                }
                return now() - started;
            };
        }
        return {};
    }

    double bytes(u64 receivers) override {
        u64 before = bytes_in_use();
        Apart apart(receivers);
        u64 handles = apart.held.capacity() * sizeof(typename R::Held);
        return double(bytes_in_use() - before - handles) / double(receivers);
    }
};

template <class R>
struct Registered {
    Registered() {
        auto rival = std::make_unique<Measured<R>>();
        rival->name = R::name();
        rival->about = R::about;
        rival->not_changed = R::changes ? "" : "nothing can change while it is shared";
        rival->not_shared = R::not_shared;
        rivals().push_back(std::move(rival));
    }
};
