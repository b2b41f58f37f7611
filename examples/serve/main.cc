// Serves exported models over HTTP. The paths are in service.cc.
#include <pthread.h>

#include <csignal>
#include <iostream>
#include <thread>

#include "service.h"

namespace {

/// Waits for signals, which all other threads block: no handler runs amid other code.
void watch(serve::Service& service, const sigset_t& signals, std::chrono::seconds grace) {
  for (;;) {
    int signal = 0;
    sigwait(&signals, &signal);
    if (signal == SIGHUP) {
      std::cerr << "serve: " + service.reload() + "\n";
      continue;
    }
    if (signal != SIGUSR1) {
      std::cerr << "serve: stopping\n";
      service.stop();
      timespec left{static_cast<time_t>(grace.count()), 0};
      sigset_t end;
      sigemptyset(&end);
      sigaddset(&end, SIGUSR1);
      // SIGUSR1 comes from main, once all is answered.
      if (sigtimedwait(&end, nullptr, &left) != SIGUSR1) {
        std::cerr << "serve: the time of grace is over\n";
        service.abort();
      }
    }
    return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  serve::Options options;
  try {
    options = serve::parse_options(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "serve: " << error.what() << "\nserve --help tells all options\n";
    return 2;
  }
  if (options.help) {
    std::cout << serve::usage();
    return 0;
  }
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  try {
    serve::Service service(options);
    const int port = service.bind();
    std::thread watcher([&] { watch(service, signals, std::chrono::seconds(options.grace)); });
    std::cout << "ready on http://" << options.host << ':' << port << std::endl;
    service.run();
    pthread_kill(watcher.native_handle(), SIGUSR1);
    watcher.join();
  } catch (const std::exception& error) {
    std::cerr << "serve: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
