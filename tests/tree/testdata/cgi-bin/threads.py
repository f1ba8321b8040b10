#!/usr/bin/python3
import threading
from concurrent.futures import ThreadPoolExecutor

print("Content-Type: text/plain\n")
with ThreadPoolExecutor(4) as workers:
    print(sum(workers.map(lambda n: n * n, range(100))))
late = threading.Thread(target=lambda: print("from a thread"))
late.start()
late.join()
print(threading.current_thread() is threading.main_thread(), threading.active_count())
